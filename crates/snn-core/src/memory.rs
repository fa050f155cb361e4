//! What the allocator does with memory that is freed.

/// Keeps the memory that this process frees for its own next tensors, where the allocator is
/// glibc's; elsewhere nothing happens.
///
/// glibc gives large blocks back to the system at once, and every page of the next one is then
/// cleared and mapped again: on batches of images that is a tenth to a fifth of the time. Programs
/// call this first; a library must not decide it for them. The process then holds what it held at
/// its peak.
#[allow(unsafe_code)]
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const NEVER: libc::c_int = libc::c_int::MAX;
        // Blocks of up to a gigabyte come from memory that is kept, which grows by 64 MB.
        let settings = [
            (libc::M_TRIM_THRESHOLD, NEVER),
            (libc::M_MMAP_THRESHOLD, 1 << 30),
            (libc::M_TOP_PAD, 64 << 20),
        ];
        for (setting, value) in settings {
            // SAFETY: sets a number of the allocator, which checks it; no memory is touched.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}
