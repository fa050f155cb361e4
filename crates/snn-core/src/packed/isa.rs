//! Which instructions this CPU has.

/// Name of the variable that lowers the level: `portable`, `avx2`, `avx512` or `amx`.
pub const VARIABLE: &str = "SNN_ISA";

/// A set of instructions that this CPU was seen to have. The field is private:
/// a value is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa {
    level: Level,
    tiles: bool,
}

/// What kernels tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No vector instructions are asked for.
    Portable,
    /// AVX2, FMA and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Those, BMI2, and AVX-512 F, BW, DQ, VL, VBMI, VNNI and VPOPCNTDQ.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Every set that can run here, slowest first.
    pub fn all() -> Vec<Self> {
        const fn without_tiles(level: Level) -> Isa {
            Isa { level, tiles: false }
        }
        let mut isas = vec![without_tiles(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("popcnt")
            {
                isas.push(without_tiles(Level::Avx2));
                if is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512vpopcntdq")
                {
                    isas.push(without_tiles(Level::Avx512));
                    if has_tiles() {
                        isas.push(Self { level: Level::Avx512, tiles: true });
                    }
                }
            }
        }
        isas
    }

    /// The fastest set, or the one that [`VARIABLE`] names if this CPU has it
    /// too: the variable can lower the level, never raise it.
    pub fn best() -> Self {
        let wanted = std::env::var(VARIABLE).unwrap_or_default();
        let all = Self::all();
        let named = all.iter().find(|isa| isa.name() == wanted);
        named.or(all.last()).copied().unwrap_or(all[0])
    }

    /// What this CPU was seen to have.
    pub const fn level(self) -> Level {
        self.level
    }

    /// Whether it has matrix registers too: AMX with 8-bit integers, on top of AVX-512.
    pub const fn tiles(self) -> bool {
        self.tiles
    }

    /// Name, as reports and [`VARIABLE`] write it.
    pub const fn name(&self) -> &'static str {
        match self.level {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if self.tiles => "amx",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }
}

/// Whether the CPU has AMX with 8-bit integers and the system lets this process use it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[allow(unsafe_code)]
fn has_tiles() -> bool {
    use std::{arch::x86_64::__cpuid_count, sync::OnceLock};

    /// Bits of EDX for leaf 7: AMX-TILE and AMX-INT8.
    const FEATURES: u32 = 1 << 24 | 1 << 25;
    /// Asks for a part of the register state that is larger than programs expect.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    /// The contents of the matrix registers.
    const XFEATURE_XTILEDATA: libc::c_long = 18;

    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let known = __cpuid_count(0, 0).eax >= 7;
        let able = known && __cpuid_count(7, 0).edx & FEATURES == FEATURES;
        // SAFETY: this call only grants the process a right; systems that do not know it say so.
        able && unsafe {
            libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
        }
    })
}

/// Other systems are not asked.
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
const fn has_tiles() -> bool {
    false
}
