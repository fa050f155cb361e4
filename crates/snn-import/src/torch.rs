//! Tensors as PyTorch pickles them: calls of functions that would rebuild them.

use std::collections::HashMap;

use safetensors::Dtype;

use crate::{
    pickle::{Id, Pickle, Value},
    tensor::{MOST_AXES, Span, Stored, Unreadable},
};

/// The numbers of a storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageType {
    name: &'static str,
    /// What they are, if a weight may consist of them.
    dtype: Option<Dtype>,
    /// Bytes of each.
    pub element: u64,
}

impl StorageType {
    /// Of a class of PyTorch, such as `torch.FloatStorage`.
    pub fn of(class: &str) -> Option<Self> {
        const fn kind(name: &'static str, dtype: Dtype, element: u64) -> StorageType {
            StorageType { name, dtype: Some(dtype), element }
        }
        const fn other(name: &'static str, element: u64) -> StorageType {
            StorageType { name, dtype: None, element }
        }
        const KNOWN: [StorageType; 18] = [
            kind("Float", Dtype::F32, 4),
            kind("Half", Dtype::F16, 2),
            kind("BFloat16", Dtype::BF16, 2),
            kind("Double", Dtype::F64, 8),
            kind("Int", Dtype::I32, 4),
            kind("Long", Dtype::I64, 8),
            kind("Short", Dtype::I16, 2),
            kind("Char", Dtype::I8, 1),
            kind("Byte", Dtype::U8, 1),
            kind("Bool", Dtype::BOOL, 1),
            other("ComplexFloat", 8),
            other("ComplexDouble", 16),
            other("QInt8", 1),
            other("QUInt8", 1),
            other("QInt32", 4),
            other("QUInt4x2", 1),
            other("QUInt2x4", 1),
            // The type is then told by the tensor; lengths are in bytes.
            other("Untyped", 1),
        ];
        let name = class.rsplit('.').next()?.strip_suffix("Storage")?;
        KNOWN.into_iter().find(|kind| kind.name == name)
    }

    /// What the numbers are.
    pub fn number(self) -> Result<Dtype, Unreadable> {
        self.dtype.ok_or_else(|| Unreadable::Type { found: self.name.to_owned() })
    }
}

/// The numbers of a tensor that tells them itself, such as `torch.uint16`.
fn dtype(name: &str) -> Result<Dtype, Unreadable> {
    Ok(match name.strip_prefix("torch.") {
        Some("float32") => Dtype::F32,
        Some("float64") => Dtype::F64,
        Some("float16") => Dtype::F16,
        Some("bfloat16") => Dtype::BF16,
        Some("int64") => Dtype::I64,
        Some("int32") => Dtype::I32,
        Some("int16") => Dtype::I16,
        Some("int8") => Dtype::I8,
        Some("uint8") => Dtype::U8,
        Some("uint16") => Dtype::U16,
        Some("uint32") => Dtype::U32,
        Some("bool") => Dtype::BOOL,
        _ => return Err(Unreadable::Type { found: name.to_owned() }),
    })
}

/// What a pickle's tensors refer to.
pub(crate) struct Tensors<'a> {
    pub pickle: &'a Pickle,
    /// Storages by key.
    pub storages: &'a HashMap<String, Span>,
    /// Tensors by number.
    pub numbered: &'a HashMap<String, Result<Stored, Unreadable>>,
}

impl Tensors<'_> {
    /// The tensor that a value is, if it is one.
    pub fn get(&self, id: Id) -> Option<Result<Stored, Unreadable>> {
        let pickle = self.pickle;
        let mut id = id;
        // A tensor in a parameter, in a subclass; nothing that PyTorch writes lies deeper.
        for _ in 0..4 {
            if let &Value::Persistent(key) = pickle.get(id) {
                return self.numbered.get(&pickle.key(key)?).cloned();
            }
            let (name, args) = pickle.call(id)?;
            match (name, args) {
                (
                    "torch._utils._rebuild_parameter"
                    | "torch._utils._rebuild_parameter_with_state"
                    | "torch.nn.parameter.Parameter"
                    | "torch.nn.parameter.Buffer"
                    | "torch.autograd.variable.Variable",
                    &[data, ..],
                ) => id = data,
                (
                    "torch._tensor._rebuild_from_type"
                    | "torch._tensor._rebuild_from_type_v2"
                    | "torch.tensor._rebuild_from_type",
                    &[function, _class, args, ..],
                ) => {
                    return self.rebuild(pickle.global(function)?, pickle.sequence(args)?);
                }
                _ => return self.rebuild(name, args),
            }
        }
        None
    }

    fn rebuild(&self, function: &str, args: &[Id]) -> Option<Result<Stored, Unreadable>> {
        let function = function.strip_prefix("torch._utils._rebuild_")?;
        let told = match function {
            "tensor" | "tensor_v2" => None,
            "tensor_v3" => args.get(6).map(|&id| self.pickle.global(id).unwrap_or_default()),
            other => return Some(Err(Unreadable::Kind { kind: format!("_rebuild_{other}") })),
        };
        Some(match *args {
            [storage, offset, shape, strides, ..] => {
                self.dense(storage, offset, [shape, strides], told)
            }
            _ => Err(Unreadable::Description),
        })
    }

    fn dense(
        &self,
        storage: Id,
        offset: Id,
        axes: [Id; 2],
        told: Option<&str>,
    ) -> Result<Stored, Unreadable> {
        let (kind, span) = self.storage(storage)?;
        let dtype = told.map_or_else(|| kind.number(), dtype)?;
        let offset = self.pickle.int(offset).ok_or(Unreadable::Description)?;
        let [shape, strides] = axes.map(|id| self.sizes(id).ok_or(Unreadable::Description));
        Stored::new(dtype, shape?, strides?, offset, span)
    }

    fn storage(&self, id: Id) -> Result<(StorageType, Span), Unreadable> {
        let pickle = self.pickle;
        let &Value::Persistent(id) = pickle.get(id) else { return Err(Unreadable::Description) };
        // The word "storage", type, key, place, elements, and perhaps of what it is a view.
        let Some(&[_, class, key, _, _, ref view @ ..]) = pickle.sequence(id) else {
            return Err(Unreadable::Description);
        };
        let class = pickle.global(class).ok_or(Unreadable::Description)?;
        let kind =
            StorageType::of(class).ok_or_else(|| Unreadable::Type { found: class.to_owned() })?;
        let key = pickle.key(key).ok_or(Unreadable::Description)?;
        let root = self.storages.get(&key).ok_or(Unreadable::Storage { key })?;
        let view = view.first().and_then(|&view| pickle.sequence(view));
        let span = match view {
            Some(&[_key, offset, count]) => {
                let part = pickle.int(offset).zip(pickle.int(count));
                let part = part.and_then(|(from, count)| root.part(from, count, kind.element));
                part.ok_or(Unreadable::Outside)?
            }
            _ => *root,
        };
        Ok((kind, span))
    }

    /// A tuple of sizes, or a `torch.Size` of one.
    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let id = match self.pickle.call(id) {
            Some(("torch.Size", &[sizes])) => sizes,
            _ => id,
        };
        let sizes = self.pickle.sequence(id).filter(|sizes| sizes.len() <= MOST_AXES)?;
        sizes.iter().map(|&size| self.pickle.int(size)).collect()
    }
}
