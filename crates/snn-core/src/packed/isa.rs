//! Which instructions this CPU has.

/// Name of the variable that lowers the level: `portable`, `avx2` or `avx512`.
pub const VARIABLE: &str = "SNN_ISA";

/// A set of instructions that this CPU was seen to have. The field is private:
/// a value is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Level);

/// What kernels tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No vector instructions are asked for.
    Portable,
    /// AVX2, FMA and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Those, BMI2, and AVX-512 F, BW, DQ, VL, VBMI and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Every set that can run here, slowest first.
    pub fn all() -> Vec<Self> {
        let mut isas = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("popcnt")
            {
                isas.push(Self(Level::Avx2));
                if is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vnni")
                {
                    isas.push(Self(Level::Avx512));
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
        named.or(all.last()).copied().unwrap_or(Self(Level::Portable))
    }

    /// What this CPU was seen to have.
    pub const fn level(self) -> Level {
        self.0
    }

    /// Name, as reports and [`VARIABLE`] write it.
    pub const fn name(&self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }
}
