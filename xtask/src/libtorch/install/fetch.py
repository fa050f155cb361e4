"""Write one wheel to standard output, from a given byte on, the way pip would fetch it.

Usage: python3 -c THIS FILENAME OFFSET [PIP OPTION...]

pip itself cannot go on with an interrupted download. It cannot be asked for an address either: to
report one, it fetches the file if the index has no separate metadata. So this uses pip's session:
index, mirror, proxy, certificates and passwords are those that pip is configured with. What it
takes from inside of pip is the same from 20.3 to 26.

The first line of the output is the byte it starts at: 0 where a server cannot skip. A failure is
one line on standard error and an exit code, which names its kind for `fetch.rs`.
"""

import logging
import os
import re
import sys
from urllib.request import url2pathname

NO_PIP, UNKNOWN_PIP, NOT_FOUND, FAILED = range(10, 14)
CHUNK = 1 << 18


def stop(code, reason):
    reason = re.sub(r"<[^<>]* at 0x[0-9a-f]+>[:,] ", "", str(reason))  # objects of Python
    print(" ".join(reason.split()), file=sys.stderr)
    sys.exit(code)


class Complaints(logging.Handler):
    """Keeps what pip says of a page that it could not read: to the finder, it is an empty page."""

    last = "no configured index or folder has it"

    def emit(self, record):
        message = record.getMessage()
        if message.startswith("Could not fetch"):
            self.last = message.replace(" - skipping", "")


def find(command, options, session, filename):
    from pip._internal.cli.cmdoptions import make_target_python

    complaints = Complaints(logging.DEBUG)
    logger = logging.getLogger("pip._internal.index.collector")
    logger.addHandler(complaints)
    logger.setLevel(logging.DEBUG)
    finder = command._build_package_finder(options, session, make_target_python(options))
    project = filename.split("-")[0].replace("_", "-")
    for candidate in finder.find_all_candidates(project):
        if candidate.link.filename == filename:
            return candidate.link
    stop(NOT_FOUND, complaints.last)


def read(session, link, offset):
    """Where the bytes start, and an iterator over them."""
    if link.is_file:
        file = open(url2pathname(link.path), "rb")
        file.seek(offset)
        return offset, iter(lambda: file.read(CHUNK), b"")
    headers = {"Accept-Encoding": "identity", "Range": "bytes=%d-" % offset}
    response = session.get(link.url_without_fragment, headers=headers, stream=True)
    response.raise_for_status()
    start = offset if response.status_code == 206 else 0
    return start, response.raw.stream(CHUNK, decode_content=False)


def main(filename, offset, *pip_options):
    try:
        import pip
    except ImportError as error:
        stop(NO_PIP, error)
    try:
        from pip._internal.commands import create_command

        command = create_command("download")
        with command.main_context():
            options, _ = command.parse_args(list(pip_options))
            session = command.get_default_session(options)
            link = find(command, options, session, filename)
            try:
                start, chunks = read(session, link, int(offset))
                output = sys.stdout.buffer
                output.write(b"%d\n" % start)
                for chunk in chunks:
                    output.write(chunk)
                output.flush()
            except BrokenPipeError:
                os._exit(FAILED)
            except Exception as error:
                stop(FAILED, error)
    except (ImportError, AttributeError, TypeError) as error:
        stop(UNKNOWN_PIP, "pip %s: %s" % (pip.__version__, error))


main(*sys.argv[1:])
