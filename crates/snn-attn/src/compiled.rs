//! One loop, compiled for every set of instructions.

/// Defines a function whose body is compiled three times: for any processor, for AVX2 and for
/// AVX-512. Its first argument, which the definition leaves out, is the [`Isa`] that chooses.
///
/// [`Isa`]: snn_core::packed::Isa
macro_rules! compiled {
    (
        $(#[$about:meta])*
        $vis:vis fn $name:ident $(<$($of:ident: $bound:path),+>)?
        ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$about])*
        #[allow(unsafe_code)]
        $vis fn $name $(<$($of: $bound),+>)? (
            isa: snn_core::packed::Isa, $($arg: $type),*
        ) $(-> $result)? {
            #[inline(always)]
            fn plain $(<$($of: $bound),+>)? ($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,popcnt")]
            fn avx2 $(<$($of: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                plain($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")]
            fn avx512 $(<$($of: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                plain($($arg),*)
            }

            match isa.level() {
                snn_core::packed::Level::Portable => plain($($arg),*),
                // SAFETY: only `Isa::all` makes this level, after detecting AVX2 and POPCNT.
                #[cfg(target_arch = "x86_64")]
                snn_core::packed::Level::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: only `Isa::all` makes this level, after detecting these parts of AVX-512.
                #[cfg(target_arch = "x86_64")]
                snn_core::packed::Level::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    };
}

pub(crate) use compiled;
