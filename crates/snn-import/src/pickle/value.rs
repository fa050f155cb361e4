/// The number of a value in its pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(super) u32);

/// What a pickle describes.
#[derive(Debug)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// An integer of more than 128 bits.
    Long,
    Bytes(Vec<u8>),
    Text(String),
    Tuple(Vec<Id>),
    /// A list or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function: `module.name`.
    Global(String),
    /// What only the file around the pickle knows.
    Persistent(Id),
    /// What a call would give.
    Object(Box<Object>),
}

/// A call that nobody makes.
#[derive(Debug)]
pub(crate) struct Object {
    /// What would be called.
    pub callable: Id,
    /// With what: a tuple.
    pub args: Id,
    /// What would be set on the result.
    pub state: Option<Id>,
    /// What would be put into the result by key.
    pub items: Vec<(Id, Id)>,
}

/// A pickle taken in: its values, which may refer to each other in circles.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
}

impl Pickle {
    /// The value that all the others serve.
    pub const fn root(&self) -> Id {
        self.root
    }

    pub fn get(&self, id: Id) -> &Value {
        // A number is only ever made for a value that was pushed, and none is removed.
        &self.values[id.0 as usize]
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer.
    pub fn int<T: TryFrom<i128>>(&self, id: Id) -> Option<T> {
        match self.get(id) {
            Value::Int(value) => T::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The name of a class or function.
    pub fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    /// What a tuple or list holds.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A call: the name of what is called, and its arguments.
    pub fn call(&self, id: Id) -> Option<(&str, &[Id])> {
        match self.get(id) {
            Value::Object(object) => {
                Some((self.global(object.callable)?, self.sequence(object.args)?))
            }
            _ => None,
        }
    }

    /// A short text or a number that is a key, as text.
    pub fn key(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Value::Int(number) => Some(number.to_string()),
            Value::Text(text) if text.len() <= 64 => Some(text.clone()),
            _ => None,
        }
    }

    /// What an object or a dictionary maps by key.
    pub fn items(&self, id: Id) -> &[(Id, Id)] {
        match self.get(id) {
            Value::Dict(items) => items,
            Value::Object(object) => &object.items,
            _ => &[],
        }
    }

    /// What would be set on an object.
    pub fn state(&self, id: Id) -> Option<Id> {
        match self.get(id) {
            Value::Object(object) => object.state,
            _ => None,
        }
    }

    /// The pairs that Python 2 passed to the class of an ordered dictionary.
    pub fn pairs(&self, id: Id) -> Option<Id> {
        match self.call(id) {
            Some(("collections.OrderedDict", &[pairs])) => Some(pairs),
            _ => None,
        }
    }

    /// What a value is, in a few words.
    pub fn describe(&self, id: Id) -> String {
        match self.get(id) {
            Value::None => "None".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Long => "a large integer".into(),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Value::Text(text) if text.chars().count() <= 40 => format!("`{text}`"),
            Value::Text(_) => "a text".into(),
            Value::Tuple(items) => format!("a tuple of {}", items.len()),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Dict(items) => format!("a dictionary of {}", items.len()),
            Value::Global(name) => format!("the class {name}"),
            Value::Persistent(_) => "a storage".into(),
            Value::Object(object) => match self.global(object.callable) {
                // How objects of Python 2 and of protocols 0 and 1 are made.
                Some("copy_reg._reconstructor" | "copyreg._reconstructor") => "an object".into(),
                Some(name) => format!("an object of {name}"),
                None => "an object".into(),
            },
        }
    }
}
