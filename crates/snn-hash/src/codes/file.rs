//! Codes as safetensors files: tensor `codes`, U64 `[codes, words]`, and `bits` in the metadata.

use std::{collections::HashMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use snn_core::files::write_atomic;

use super::{BitCodes, CodesError};

const TENSOR: &str = "codes";
const WIDTH: &str = "bits";

impl BitCodes {
    /// Writes a safetensors file, all or nothing: tensor `codes`, U64 `[codes, words]` little
    /// endian, and the width as `bits` in the metadata.
    ///
    /// # Errors
    /// [`CodesError::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CodesError> {
        let format = |source| CodesError::Format { path: path.into(), source };
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let shape = vec![self.len(), self.words_per_code()];
        let view = TensorView::new(Dtype::U64, shape, &bytes).map_err(format)?;
        let metadata = HashMap::from([(WIDTH.to_owned(), self.bits.to_string())]);
        let file = safetensors::serialize([(TENSOR, view)], Some(metadata)).map_err(format)?;
        write_atomic(path, &file).map_err(|source| CodesError::Io { path: path.into(), source })
    }

    /// Reads what [`BitCodes::save`] wrote.
    ///
    /// # Errors
    /// [`CodesError`] if the file cannot be read, is cut or damaged, or holds no such codes.
    pub fn load(path: &Path) -> Result<Self, CodesError> {
        let format = |source| CodesError::Format { path: path.into(), source };
        let content = |what, expected: String, found| CodesError::Content {
            path: path.into(),
            what,
            expected,
            found,
        };
        let file = fs::read(path).map_err(|source| CodesError::Io { path: path.into(), source })?;
        let (_, header) = SafeTensors::read_metadata(&file).map_err(format)?;
        let width = header.metadata().as_ref().and_then(|entries| entries.get(WIDTH));
        let bits = width.and_then(|width| width.parse().ok()).filter(|&bits| bits > 0);
        let bits: usize = bits.ok_or_else(|| {
            let found = width.map_or("missing".into(), |width| format!("`{width}`"));
            content("`bits` of the metadata", "a width above 0".into(), found)
        })?;
        let tensors = SafeTensors::deserialize(&file).map_err(format)?;
        let tensor = tensors.tensor(TENSOR).map_err(format)?;
        let expected = || format!("U64 [codes, {}]", bits.div_ceil(64));
        let [_, words] = *tensor.shape() else {
            return Err(content("tensor `codes`", expected(), format!("{:?}", tensor.shape())));
        };
        if tensor.dtype() != Dtype::U64 || words != bits.div_ceil(64) {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(content("tensor `codes`", expected(), found));
        }
        let words = tensor.data().as_chunks().0.iter().map(|&word| u64::from_le_bytes(word));
        Self::from_words(bits, words.collect())
    }
}
