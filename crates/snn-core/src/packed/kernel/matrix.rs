//! Small integers times weights in the matrix registers of AMX: one instruction multiplies 16
//! channels with 16 rows over 64 inputs.
//!
//! A register is 16 lines of 64 bytes. Lines of weights are output channels; lines of input are
//! groups, just as a panel lies in memory, so nothing is rearranged.

use std::marker::PhantomData;

use super::{Membranes, Sums, TILE};
use crate::packed::{
    isa::Isa,
    layout::{GROUP, LANES, SPREAD},
};

/// Output channels of a block of weights.
pub(in crate::packed) const CHANNELS: usize = 16;

/// Groups of a block of weights; panels hold whole blocks.
pub(in crate::packed) const DEPTH: usize = 16;

/// The weights of one register, `[channel][group][4]`.
pub(in crate::packed) type Block = [[[i8; GROUP]; DEPTH]; CHANNELS];

/// Most blocks that meet a panel at once.
pub(in crate::packed) const MOST: usize = 3;

/// Sums of as many blocks, `[block][channel][row]`.
pub(in crate::packed) type Corners = [[[i32; LANES]; CHANNELS]; MOST];

/// Rows that a register of sums holds.
const ROWS: usize = 16;

/// The matrix registers of this thread, ready for use until this is dropped.
pub(in crate::packed) struct Matrices {
    /// Another thread has other registers.
    of_thread: PhantomData<*const ()>,
}

impl Matrices {
    /// Prepares the registers; `None` if `isa` has none.
    pub(in crate::packed) fn new(isa: Isa) -> Option<Self> {
        isa.tiles().then(|| {
            registers::configure();
            Self { of_thread: PhantomData }
        })
    }

    /// Sets `sums[b][channel][row]` to
    /// `sum over g, i of panel[g][row][i] blocks[g / 16][b][channel][g % 16][i]`.
    ///
    /// `panel` is `[groups][64][4]`, `blocks` `[groups / 16][B]`, `B` 2 or 3. Exact in wrapping
    /// 32-bit arithmetic. `turn` says how often these blocks were used: a part of those behind them
    /// in memory is fetched each time.
    ///
    /// # Panics
    /// If the lengths do not fit each other.
    pub(in crate::packed) fn multiply<const B: usize>(
        &self,
        panel: &[[u8; GROUP]],
        blocks: &[Block],
        turn: usize,
        sums: &mut Corners,
    ) {
        const { assert!(B == 2 || B == 3) };
        assert!(panel.len().is_multiple_of(DEPTH * LANES));
        assert_eq!(panel.len() / (DEPTH * LANES) * B, blocks.len(), "weights for every group");
        if panel.is_empty() {
            *sums = [[[0; LANES]; CHANNELS]; MOST];
        } else {
            registers::multiply::<B>(panel, blocks, turn, sums);
        }
    }

    /// The currents of tile `tile` of the channels of `sums`, scaled and shifted as
    /// [`Given`](super::Given) does. With several `digits` each block of sums is worth
    /// 256 times the one before; with one the blocks are channels side by side.
    pub(in crate::packed) fn currents(
        &self,
        sums: &Corners,
        (tile, digits): (usize, usize),
        by: &[f32; TILE],
        bias: &[f32; TILE],
        currents: &mut Membranes,
    ) {
        let (block, tile) = (tile * TILE / CHANNELS, tile % (CHANNELS / TILE));
        let of_tile = |block: usize| &sums[block].as_chunks::<TILE>().0[tile];
        let digits = match digits {
            1 => &[of_tile(block)][..],
            2 => &[of_tile(0), of_tile(1)],
            _ => &[of_tile(0), of_tile(1), of_tile(2)],
        };
        registers::currents(digits, by, bias, currents);
    }

    /// Makes bytes of spikes: 0 or 1 a channel.
    ///
    /// # Panics
    /// If the lengths differ.
    pub(in crate::packed) fn spread(&self, nibbles: &[u8], bytes: &mut [[u8; GROUP]]) {
        assert_eq!(nibbles.len(), bytes.len());
        registers::spread(nibbles, bytes);
    }
}

impl Drop for Matrices {
    fn drop(&mut self) {
        registers::release();
    }
}

/// The obvious form.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain<const B: usize>(panel: &[[u8; GROUP]], blocks: &[Block], sums: &mut Corners) {
    for (b, sums) in sums.iter_mut().enumerate().take(B) {
        *sums = [[0; LANES]; CHANNELS];
        for (g, entries) in panel.chunks_exact(LANES).enumerate() {
            let block = &blocks[g / DEPTH * B + b];
            for (sums, weights) in sums.iter_mut().zip(block) {
                for (sum, x) in sums.iter_mut().zip(entries) {
                    let products = x.iter().zip(&weights[g % DEPTH]);
                    let products = products.map(|(&x, &w)| i32::from(x) * i32::from(w));
                    *sum = sum.wrapping_add(products.sum());
                }
            }
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_currents(
    digits: &[&Sums],
    by: &[f32; TILE],
    bias: &[f32; TILE],
    currents: &mut Membranes,
) {
    for n in 0..TILE {
        for i in 0..LANES {
            let digits = digits.iter().zip(0..);
            let sum = digits
                .fold(0i32, |sum, (digit, d)| sum.wrapping_add(digit[n][i].wrapping_shl(8 * d)));
            currents[n][i] = sum as f32 * by[n] + bias[n];
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_spread(nibbles: &[u8], bytes: &mut [[u8; GROUP]]) {
    for (&nibble, bytes) in nibbles.iter().zip(bytes) {
        *bytes = SPREAD[usize::from(nibble & 15)];
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod registers {
    use std::arch::{asm, x86_64::*};

    use super::*;

    /// Eight registers of 16 lines of 64 bytes, as `ldtilecfg` reads it.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start: u8,
        reserved: [u8; 14],
        line_bytes: [u16; 16],
        lines: [u8; 16],
    }

    pub(super) fn configure() {
        let mut all = Configuration {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            line_bytes: [0; 16],
            lines: [0; 16],
        };
        all.line_bytes[..8].fill(64);
        all.lines[..8].fill(16);
        // SAFETY: a `Matrices` is only made where `Isa::all` saw AMX; nothing else in this program
        // uses its registers.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const all, options(nostack, readonly)) };
    }

    pub(super) fn release() {
        // SAFETY: as above.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    pub(super) fn multiply<const B: usize>(
        panel: &[[u8; GROUP]],
        blocks: &[Block],
        turn: usize,
        sums: &mut Corners,
    ) {
        let chunks = panel.len() / (DEPTH * LANES);
        for half in 0..2 {
            // What follows these blocks in memory, two of sixteen lines at a time.
            let line = (2 * turn + half) % 8 * 128;
            let ahead = size_of_val(blocks) + line;
            let panel = &panel[half * 2 * ROWS..];
            let sums = &mut sums.as_flattened_mut().as_flattened_mut()[half * 2 * ROWS..];
            // SAFETY: lengths were checked, `chunks` is not 0; rows 32 to 63 of the last group end
            // with the panel, those of the last channel with the sums.
            unsafe {
                if B == 2 {
                    two(panel, blocks, chunks, ahead, sums);
                } else {
                    three(panel, blocks, chunks, ahead, sums);
                }
            }
        }
    }

    pub(super) fn currents(
        digits: &[&Sums],
        by: &[f32; TILE],
        bias: &[f32; TILE],
        currents: &mut Membranes,
    ) {
        // SAFETY: AMX is only seen on top of AVX-512.
        unsafe { currents_avx512(digits, by, bias, currents) };
    }

    #[target_feature(enable = "avx512f")]
    fn currents_avx512(
        digits: &[&Sums],
        by: &[f32; TILE],
        bias: &[f32; TILE],
        currents: &mut Membranes,
    ) {
        for n in 0..TILE {
            let (by, bias) = (_mm512_set1_ps(by[n]), _mm512_set1_ps(bias[n]));
            for (i, current) in currents[n].as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                // SAFETY: sixteen numbers each.
                let load = |digit: &Sums| unsafe {
                    _mm512_loadu_si512(digit[n][i * ROWS..][..ROWS].as_ptr().cast())
                };
                let mut sum = load(digits[0]);
                if let Some(digit) = digits.get(1) {
                    sum = _mm512_add_epi32(sum, _mm512_slli_epi32::<8>(load(digit)));
                }
                if let Some(digit) = digits.get(2) {
                    sum = _mm512_add_epi32(sum, _mm512_slli_epi32::<16>(load(digit)));
                }
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), by);
                // SAFETY: sixteen numbers.
                unsafe { _mm512_storeu_ps(current.as_mut_ptr(), _mm512_add_ps(scaled, bias)) };
            }
        }
    }

    /// Fetches 16 lines of the groups of the next turn from the second-level cache. Registers load
    /// lines one after the other and wait for each; where another program shares the core and its
    /// first-level cache, products alone are 1.45 times as fast and whole networks a few percent;
    /// on a core of one's own products are 4 % slower.
    macro_rules! fetch {
        ($rows:literal) => {
            concat!(
                ".irp group, 0, 256, 512, 768, 1024, 1280, 1536, 1792, ",
                "2048, 2304, 2560, 2816, 3072, 3328, 3584, 3840\n",
                "prefetcht0 [{x} + 4096 + ",
                $rows,
                " + \\group]\n",
                ".endr"
            )
        };
    }

    /// Two blocks, 32 rows.
    ///
    /// # Safety
    /// `panel` is `[chunks][16][64]` and `sums` `[2][16][64]`, both from row 0 or 32 on; `blocks` is
    /// `[chunks][2]`, `chunks` not 0; the registers are configured.
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn two(
        panel: &[[u8; GROUP]],
        blocks: &[Block],
        chunks: usize,
        ahead: usize,
        sums: &mut [i32],
    ) {
        // SAFETY: reads 32 rows of 16 groups of the panel and two blocks a turn; writes 32 rows of the
        // sums.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{w} + {line}*1]",
                "tileloadd tmm6, [{x} + {group}*1]",
                fetch!(0),
                "prefetcht1 [{w} + {ahead}]",
                "tdpbsud tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{x} + {group}*1 + 64]",
                fetch!(64),
                "prefetcht1 [{w} + {ahead} + 64]",
                "tdpbsud tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{w} + {line}*1 + 1024]",
                "prefetcht1 [{w} + {ahead} + 1024]",
                "tdpbsud tmm2, tmm5, tmm6",
                "prefetcht1 [{w} + {ahead} + 1088]",
                "tdpbsud tmm3, tmm5, tmm7",
                "add {w}, 2048",
                "add {x}, 4096",
                "dec {chunks}",
                "jnz 2b",
                "tilestored [{sums} + {group}*1], tmm0",
                "tilestored [{sums} + {group}*1 + 64], tmm1",
                "tilestored [{sums} + {group}*1 + 4096], tmm2",
                "tilestored [{sums} + {group}*1 + 4160], tmm3",
                w = inout(reg) blocks.as_ptr() => _,
                x = inout(reg) panel.as_ptr() => _,
                chunks = inout(reg) chunks => _,
                ahead = in(reg) ahead,
                line = in(reg) 64usize,
                group = in(reg) 256usize,
                sums = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Three blocks, 32 rows.
    ///
    /// # Safety
    /// As [`two`], but `blocks` is `[chunks][3]` and `sums` `[3][16][64]`.
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn three(
        panel: &[[u8; GROUP]],
        blocks: &[Block],
        chunks: usize,
        ahead: usize,
        sums: &mut [i32],
    ) {
        // SAFETY: reads 32 rows of 16 groups of the panel and three blocks a turn; writes 32
        // rows of the sums.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "tilezero tmm4", "tilezero tmm5",
                "2:",
                "tileloadd tmm6, [{w} + {line}*1]",
                "tileloadd tmm7, [{x} + {group}*1]",
                fetch!(0),
                "prefetcht1 [{w} + {ahead}]",
                "tdpbsud tmm0, tmm6, tmm7",
                "tileloadd tmm7, [{x} + {group}*1 + 64]",
                fetch!(64),
                "prefetcht1 [{w} + {ahead} + 64]",
                "tdpbsud tmm1, tmm6, tmm7",
                "tileloadd tmm6, [{w} + {line}*1 + 1024]",
                "prefetcht1 [{w} + {ahead} + 1024]",
                "tdpbsud tmm3, tmm6, tmm7",
                "tileloadd tmm7, [{x} + {group}*1]",
                "prefetcht1 [{w} + {ahead} + 1088]",
                "tdpbsud tmm2, tmm6, tmm7",
                "tileloadd tmm6, [{w} + {line}*1 + 2048]",
                "prefetcht1 [{w} + {ahead} + 2048]",
                "tdpbsud tmm4, tmm6, tmm7",
                "tileloadd tmm7, [{x} + {group}*1 + 64]",
                "prefetcht1 [{w} + {ahead} + 2112]",
                "tdpbsud tmm5, tmm6, tmm7",
                "add {w}, 3072",
                "add {x}, 4096",
                "dec {chunks}",
                "jnz 2b",
                "tilestored [{sums} + {group}*1], tmm0",
                "tilestored [{sums} + {group}*1 + 64], tmm1",
                "tilestored [{sums} + {group}*1 + 4096], tmm2",
                "tilestored [{sums} + {group}*1 + 4160], tmm3",
                "tilestored [{sums} + {group}*1 + 8192], tmm4",
                "tilestored [{sums} + {group}*1 + 8256], tmm5",
                w = inout(reg) blocks.as_ptr() => _,
                x = inout(reg) panel.as_ptr() => _,
                chunks = inout(reg) chunks => _,
                ahead = in(reg) ahead,
                line = in(reg) 64usize,
                group = in(reg) 256usize,
                sums = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    pub(super) fn spread(nibbles: &[u8], bytes: &mut [[u8; GROUP]]) {
        // SAFETY: AMX is only seen on top of AVX-512.
        unsafe { spread_avx512(nibbles, bytes) };
    }

    #[target_feature(enable = "avx512f")]
    fn spread_avx512(nibbles: &[u8], bytes: &mut [[u8; GROUP]]) {
        // SAFETY: sixteen times four bytes.
        let table = unsafe { _mm512_loadu_si512(SPREAD.as_ptr().cast()) };
        let (nibbles, rest) = nibbles.as_chunks::<16>();
        let (bytes, bytes_rest) = bytes.as_chunks_mut::<16>();
        for (nibbles, bytes) in nibbles.iter().zip(bytes) {
            // SAFETY: sixteen nibbles; sixteen times four bytes.
            unsafe {
                let index = _mm512_cvtepu8_epi32(_mm_loadu_si128(nibbles.as_ptr().cast()));
                let spread = _mm512_permutexvar_epi32(index, table);
                _mm512_storeu_si512(bytes.as_mut_ptr().cast(), spread);
            }
        }
        for (&nibble, bytes) in rest.iter().zip(bytes_rest) {
            *bytes = SPREAD[usize::from(nibble & 15)];
        }
    }
}

/// Where there are none.
#[cfg(not(target_arch = "x86_64"))]
mod registers {
    use super::*;

    pub(super) fn configure() {}
    pub(super) fn release() {}

    pub(super) fn multiply<const B: usize>(
        panel: &[[u8; GROUP]],
        blocks: &[Block],
        _: usize,
        sums: &mut Corners,
    ) {
        plain::<B>(panel, blocks, sums);
    }

    pub(super) fn currents(
        digits: &[&Sums],
        by: &[f32; TILE],
        bias: &[f32; TILE],
        currents: &mut Membranes,
    ) {
        plain_currents(digits, by, bias, currents);
    }

    pub(super) fn spread(nibbles: &[u8], bytes: &mut [[u8; GROUP]]) {
        plain_spread(nibbles, bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn as_the_obvious_form<const B: usize>(panel: &[u8], weights: &[i8]) {
        let Some(matrices) = Isa::all().into_iter().find_map(Matrices::new) else {
            println!("skipped: this CPU has no AMX");
            return;
        };
        let (panel, _) = panel.as_chunks::<GROUP>();
        let (blocks, _) = weights.as_chunks::<GROUP>().0.as_chunks::<DEPTH>().0.as_chunks();
        let blocks = &blocks[..panel.len() / (DEPTH * LANES) * B];
        let mut expected = [[[9; LANES]; CHANNELS]; MOST];
        let mut found = expected;
        plain::<B>(panel, blocks, &mut expected);
        for turn in 0..2 {
            matrices.multiply::<B>(panel, blocks, turn, &mut found);
            assert_eq!(found[..B], expected[..B], "{B} blocks");
        }
        for (tile, digits) in [(3, 1), (6, 1), (2, 2), (1, 3)].into_iter().filter(|x| x.1 <= B) {
            let (by, bias) = ([0.5, 2.0, -3.0, 1e-6], [1.0, -1.0, 0.25, 0.0]);
            let (mut scaled, mut defined) = ([[0.0; LANES]; TILE], [[0.0; LANES]; TILE]);
            matrices.currents(&found, (tile, digits), &by, &bias, &mut scaled);
            let side_by_side = found.as_flattened().as_chunks::<TILE>().0;
            let parts: Vec<&Sums> =
                (0..digits).map(|d| &side_by_side[tile + d * CHANNELS / TILE]).collect();
            plain_currents(&parts, &by, &bias, &mut defined);
            assert_eq!(scaled, defined, "tile {tile}, {digits} digits");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn registers_multiply_as_the_obvious_form(
            (panel, weights) in (0usize..4).prop_flat_map(|chunks| (
                vec(any::<u8>(), chunks * DEPTH * LANES * GROUP),
                vec(any::<i8>(), chunks * MOST * CHANNELS * DEPTH * GROUP),
            )),
        ) {
            as_the_obvious_form::<2>(&panel, &weights);
            as_the_obvious_form::<3>(&panel, &weights);
        }

        #[test]
        fn spikes_are_spread(nibbles in vec(0u8..16, 0..5 * LANES)) {
            let Some(matrices) = Isa::all().into_iter().find_map(Matrices::new) else {
                return Ok(());
            };
            let (mut expected, mut found) = (vec![[7; GROUP]; nibbles.len()], vec![[8; GROUP]; nibbles.len()]);
            plain_spread(&nibbles, &mut expected);
            matrices.spread(&nibbles, &mut found);
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn the_greatest_sums_wrap_alike() {
        let (panel, weights) = (vec![255; 8 * DEPTH * LANES * GROUP], vec![i8::MIN; 24 * 1024]);
        as_the_obvious_form::<2>(&panel, &weights);
        as_the_obvious_form::<3>(&panel, &weights);
    }
}
