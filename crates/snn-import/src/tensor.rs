//! Tensors of a file: where they lie, and how they become weights.

use std::io::Read;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use safetensors::Dtype;
use snn_core::Tensor;

use crate::ReadError;

/// Why a tensor that a file describes is no weight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Numbers of another kind than weights have.
    #[error("it holds {found}, expected floats, or integers of at most 64 bits")]
    Type {
        /// The kind, in PyTorch's words.
        found: String,
    },
    /// A tensor of another kind: sparse, quantised, or without numbers.
    #[error("it is no dense tensor: {kind} makes it")]
    Kind {
        /// The function that would make it.
        kind: String,
    },
    /// Its storage is not in the file.
    #[error("its storage `{key}` is not in the file, which is cut or damaged")]
    Storage {
        /// Key of the storage.
        key: String,
    },
    /// It reaches beyond its storage.
    #[error("it reaches beyond its storage; the file is cut or damaged")]
    Outside,
    /// It has more elements than its storage, which it repeats.
    #[error("it repeats {stored} stored numbers to {elements}; save its `.contiguous()` form")]
    Repeats {
        /// Elements of the tensor.
        elements: usize,
        /// Elements of the storage.
        stored: u64,
    },
    /// What describes it is not what PyTorch writes.
    #[error("its description is damaged")]
    Description,
}

/// Most axes of a tensor.
pub(crate) const MOST_AXES: usize = 32;

/// Bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub start: u64,
    pub bytes: u64,
    /// Their checksum, if the file has one.
    pub crc: Option<u32>,
}

impl Span {
    /// `count` elements from element `offset` on; none if they are not inside.
    pub fn part(&self, offset: u64, count: u64, element: u64) -> Option<Self> {
        let (from, bytes) = (offset.checked_mul(element)?, count.checked_mul(element)?);
        let inside = from.checked_add(bytes)? <= self.bytes;
        inside.then_some(Self { start: self.start + from, bytes, crc: None })
    }

    /// Reads it from a file that stands at its start.
    pub fn read(&self, mut file: impl Read) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; self.bytes as usize]; // was compared with the file's length
        file.read_exact(&mut bytes)?;
        match self.crc {
            Some(expected) if crc32fast::hash(&bytes) != expected => {
                Err(ReadError::Checksum { start: self.start, bytes: self.bytes })
            }
            _ => Ok(bytes),
        }
    }
}

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Elements from one to the next along each axis.
    strides: Vec<usize>,
    /// First element.
    offset: usize,
    pub span: Span,
}

impl Stored {
    /// A tensor that lies inside its storage.
    pub fn new(
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        span: Span,
    ) -> Result<Self, Unreadable> {
        let Some(width) = width(dtype) else {
            return Err(Unreadable::Type { found: dtype.to_string() });
        };
        if shape.len() != strides.len() || shape.len() > MOST_AXES {
            return Err(Unreadable::Description);
        }
        // An array's axes must not overflow even where one of them is 0.
        let mut axes = shape.iter().filter(|&&axis| axis > 0);
        let size = axes.try_fold(1isize, |n, &axis| n.checked_mul(axis.try_into().ok()?));
        let size = size.ok_or(Unreadable::Outside)? as usize;
        let elements = if shape.contains(&0) { 0 } else { size };
        let stored = span.bytes / width as u64;
        if elements as u64 > stored {
            return Err(match span.part(0, elements as u64, width as u64) {
                None if strides.contains(&0) => Unreadable::Repeats { elements, stored },
                _ => Unreadable::Outside,
            });
        }
        if elements > 0 {
            let reach = |last: usize, (&axis, &stride): (&usize, &usize)| {
                last.checked_add((axis - 1).checked_mul(stride)?)
            };
            let last = shape.iter().zip(&strides).try_fold(offset, reach);
            if last.is_none_or(|last| last as u64 >= stored) {
                return Err(Unreadable::Outside);
            }
        }
        Ok(Self { dtype, shape, strides, offset, span })
    }

    /// A tensor whose elements fill its storage in order.
    pub fn contiguous(dtype: Dtype, shape: Vec<usize>, span: Span) -> Result<Self, Unreadable> {
        let mut strides = vec![1; shape.len()];
        for i in (1..shape.len()).rev() {
            strides[i - 1] = shape[i].saturating_mul(strides[i]);
        }
        Self::new(dtype, shape, strides, 0, span)
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its size in the file.
    pub fn bytes(&self) -> u64 {
        (self.elements() * width(self.dtype).unwrap_or(0)) as u64
    }

    /// Takes it out of its storage: floats become 32-bit, integers 64-bit ones.
    pub fn tensor(&self, storage: &[u8]) -> Tensor {
        match self.dtype {
            Dtype::F32 => Tensor::F32(self.gather(storage, f32::from_le_bytes)),
            Dtype::F64 => Tensor::F32(self.gather(storage, |w| f64::from_le_bytes(w) as f32)),
            Dtype::F16 => Tensor::F32(self.gather(storage, |w| f16::from_le_bytes(w).to_f32())),
            Dtype::BF16 => Tensor::F32(self.gather(storage, |w| bf16::from_le_bytes(w).to_f32())),
            Dtype::I64 => Tensor::I64(self.gather(storage, i64::from_le_bytes)),
            Dtype::I32 => Tensor::I64(self.gather(storage, |w| i32::from_le_bytes(w).into())),
            Dtype::I16 => Tensor::I64(self.gather(storage, |w| i16::from_le_bytes(w).into())),
            Dtype::I8 => Tensor::I64(self.gather(storage, |w| i8::from_le_bytes(w).into())),
            Dtype::U8 | Dtype::BOOL => Tensor::I64(self.gather(storage, |[byte]| byte.into())),
            Dtype::U16 => Tensor::I64(self.gather(storage, |w| u16::from_le_bytes(w).into())),
            Dtype::U32 => Tensor::I64(self.gather(storage, |w| u32::from_le_bytes(w).into())),
            other => unreachable!("{other} has no width"),
        }
    }

    fn gather<const N: usize, T>(&self, storage: &[u8], read: fn([u8; N]) -> T) -> ArrayD<T> {
        let words = storage.as_chunks::<N>().0;
        let mut values = Vec::with_capacity(self.elements());
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..self.elements() {
            values.push(read(words[at]));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                // An axis of length 1 may have any stride; it is taken back at once.
                at = at.wrapping_add(self.strides[axis]);
                if index[axis] < self.shape[axis] {
                    break;
                }
                at = at.wrapping_sub(self.strides[axis].wrapping_mul(self.shape[axis]));
                index[axis] = 0;
            }
        }
        ArrayD::from_shape_vec(IxDyn(&self.shape), values)
            .unwrap_or_else(|e| unreachable!("there are as many values as elements: {e}"))
    }
}

/// Bytes of a number that a weight may consist of.
const fn width(dtype: Dtype) -> Option<usize> {
    Some(match dtype {
        Dtype::BOOL | Dtype::U8 | Dtype::I8 => 1,
        Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => 2,
        Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
        Dtype::F64 | Dtype::I64 => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: u64) -> Span {
        Span { start: 0, bytes, crc: None }
    }

    fn bytes(shape: &[usize], strides: &[usize], offset: usize) -> Result<Stored, Unreadable> {
        Stored::new(Dtype::U8, shape.to_vec(), strides.to_vec(), offset, span(6))
    }

    fn read(stored: &Stored) -> Vec<i64> {
        match stored.tensor(&[0, 1, 2, 3, 4, 5]) {
            Tensor::I64(x) => x.into_iter().collect(),
            Tensor::F32(_) => unreachable!("bytes are integers"),
        }
    }

    #[test]
    fn strides_are_followed() {
        assert_eq!(read(&bytes(&[2, 3], &[3, 1], 0).unwrap()), [0, 1, 2, 3, 4, 5]);
        assert_eq!(read(&bytes(&[3, 2], &[1, 3], 0).unwrap()), [0, 3, 1, 4, 2, 5]);
        assert_eq!(read(&bytes(&[2], &[3], 2).unwrap()), [2, 5]);
        assert_eq!(read(&bytes(&[2, 2], &[0, 1], 4).unwrap()), [4, 5, 4, 5]);
        assert_eq!(read(&bytes(&[], &[], 5).unwrap()), [5]);
        assert_eq!(read(&bytes(&[0, 9], &[9, 1], 70).unwrap()), [0; 0]);
        assert_eq!(read(&bytes(&[2, 1], &[1, usize::MAX], 4).unwrap()), [4, 5]);
    }

    #[test]
    fn nothing_reaches_beyond_its_storage() {
        assert_eq!(bytes(&[7], &[1], 0).unwrap_err(), Unreadable::Outside);
        assert_eq!(bytes(&[2], &[3], 3).unwrap_err(), Unreadable::Outside);
        assert_eq!(bytes(&[2, 1], &[usize::MAX, 9], 1).unwrap_err(), Unreadable::Outside);
        assert_eq!(bytes(&[usize::MAX, 3], &[0, 0], 0).unwrap_err(), Unreadable::Outside);
        assert_eq!(bytes(&[1 << 62, 4, 0], &[0; 3], 0).unwrap_err(), Unreadable::Outside);
        assert_eq!(bytes(&[2], &[1, 1], 0).unwrap_err(), Unreadable::Description);
        let repeats = Unreadable::Repeats { elements: 7, stored: 6 };
        assert_eq!(bytes(&[7], &[0], 0).unwrap_err(), repeats);
    }

    #[test]
    fn parts_of_spans() {
        let part = span(8).part(1, 3, 2).unwrap();
        assert_eq!((part.start, part.bytes), (2, 6));
        assert_eq!(span(8).part(2, 3, 2), None);
        assert_eq!(span(8).part(u64::MAX, 1, 2), None);
    }
}
