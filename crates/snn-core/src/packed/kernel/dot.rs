use crate::packed::isa::{Isa, Level};

/// Partial sums, so that they fill vector registers.
const PARTS: usize = 16;

macro_rules! dot {
    ($name:ident, $weight:ty) => {
        /// Sum of products, in 64-bit floats; on every CPU in the same order.
        ///
        /// # Panics
        /// If the lengths differ or are no multiple of four.
        #[allow(unsafe_code)]
        pub(in crate::packed) fn $name(isa: Isa, x: &[f64], weights: &[$weight]) -> f64 {
            #[inline(always)]
            fn plain(x: &[f64], weights: &[$weight]) -> f64 {
                let mut parts = [0.0; PARTS];
                let (x, x_rest) = x.as_chunks::<PARTS>();
                let (w, w_rest) = weights.as_chunks::<PARTS>();
                for (x, w) in x.iter().zip(w) {
                    for i in 0..PARTS {
                        parts[i] += x[i] * f64::from(w[i]);
                    }
                }
                let rest: f64 = x_rest.iter().zip(w_rest).map(|(x, &w)| x * f64::from(w)).sum();
                parts.iter().sum::<f64>() + rest
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2(x: &[f64], weights: &[$weight]) -> f64 {
                plain(x, weights)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl")]
            fn avx512(x: &[f64], weights: &[$weight]) -> f64 {
                plain(x, weights)
            }
            assert_eq!(x.len(), weights.len());
            match isa.level() {
                Level::Portable => plain(x, weights),
                // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2(x, weights) },
                // SAFETY: only `Isa::all` makes this value, after detecting AVX-512.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512(x, weights) },
            }
        }
    };
}

dot!(dot_f32, f32);
dot!(dot_f64, f64);
