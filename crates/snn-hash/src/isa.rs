//! Which instructions this CPU has for counting bits.

use snn_core::packed::ISA_VARIABLE;

/// A set of instructions that this CPU was seen to have. The field is private: a value is the
/// proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(pub(crate) Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Every set that can run here, slowest first.
    pub fn all() -> Vec<Self> {
        let mut isas = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            isas.push(Self(Level::Avx2));
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
                isas.push(Self(Level::Avx512));
            }
        }
        isas
    }

    /// The fastest set, or the one that the variable [`ISA_VARIABLE`] names if this CPU has it
    /// too: `portable`, `avx2` or `avx512`. The variable can lower the level, never raise it.
    pub fn best() -> Self {
        let wanted = std::env::var(ISA_VARIABLE).unwrap_or_default();
        let all = Self::all();
        let named = all.iter().find(|isa| isa.name() == wanted);
        named.or(all.last()).copied().unwrap_or(Self(Level::Portable))
    }

    /// Name, as reports and [`ISA_VARIABLE`] write it.
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
