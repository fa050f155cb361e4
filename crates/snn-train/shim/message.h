// Exceptions as messages.
#pragma once

#include <c10/util/Exception.h>

#include <cstring>

namespace snn {

// Runs `body`: null, or what it threw.
template <typename Body>
char* message_of(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return strdup(e.what());
  } catch (...) {
    return strdup("unknown exception");
  }
}

}  // namespace snn
