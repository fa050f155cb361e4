/// Greatest memory that this program has held so far, in MB (10^6 bytes); `None` where the system
/// does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_counted_in_megabytes() {
        let touched = vec![1u8; 50_000_000];
        assert!(std::hint::black_box(&touched).iter().all(|&b| b == 1));
        let peak = super::peak_rss_mb().unwrap();
        assert!((50.0..50_000.0).contains(&peak), "{peak}");
    }
}
