use std::{collections::HashMap, io::Read};

use super::{Id, Input, Object, Pickle, PickleError, Problem, Value};

/// Most instructions of a pickle: ten times what the largest checkpoints have.
pub(crate) const MOST_OPCODES: usize = 1 << 23;

/// Reads one pickle and stops behind it.
pub(crate) fn load<R: Read>(input: &mut Input<R>) -> Result<Pickle, PickleError> {
    let mut machine = Machine::default();
    for _ in 0..MOST_OPCODES {
        let opcode = input.byte()?;
        if opcode == b'.' {
            let root = machine.pop(opcode).map_err(|problem| input.error(problem))?;
            return Ok(Pickle { values: machine.values, root });
        }
        machine.step(opcode, input)?;
    }
    Err(input.error(Problem::Long))
}

#[derive(Default)]
struct Machine {
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine {
    fn step<R: Read>(&mut self, opcode: u8, input: &mut Input<R>) -> Result<(), PickleError> {
        if let Some(value) = literal(opcode, input)? {
            self.push(value);
            return Ok(());
        }
        let done = match opcode {
            0x80 => {
                let protocol = input.byte()?;
                if protocol <= 5 { Ok(()) } else { Err(Problem::Protocol(protocol)) }
            }
            // A frame only announces how much to read at once.
            0x95 => {
                input.array::<8>()?;
                Ok(())
            }
            b'p' => {
                let line = input.line()?;
                line.parse().map_err(|_| Problem::Number(line)).and_then(|n| self.put(opcode, n))
            }
            b'q' => {
                let n = input.byte()?;
                self.put(opcode, n.into())
            }
            b'r' => {
                let n = u32::from_le_bytes(input.array()?);
                self.put(opcode, n)
            }
            0x94 => self.put(opcode, self.memo.len() as u32),
            b'g' => {
                let line = input.line()?;
                line.parse().map_err(|_| Problem::Number(line)).and_then(|n| self.memoized(n))
            }
            b'h' => {
                let n = input.byte()?;
                self.memoized(n.into())
            }
            b'j' => {
                let n = u32::from_le_bytes(input.array()?);
                self.memoized(n)
            }
            b'c' => {
                let name = format!("{}.{}", input.line()?, input.line()?);
                self.push(Value::Global(name));
                Ok(())
            }
            b'i' => {
                let name = format!("{}.{}", input.line()?, input.line()?);
                self.push(Value::Global(name));
                self.pop(opcode).and_then(|class| {
                    let args = self.marked(opcode)?;
                    self.object(class, args);
                    Ok(())
                })
            }
            b'P' => {
                let id = Value::Text(input.line()?);
                let id = self.add(id);
                self.push(Value::Persistent(id));
                Ok(())
            }
            _ => self.arrange(opcode),
        };
        done.map_err(|problem| input.error(problem))
    }

    /// Instructions that only rearrange what is there.
    fn arrange(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // As Python does: a mark on top goes first.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop(opcode)?;
                }
            }
            b'1' => {
                self.marked(opcode)?;
            }
            b'2' => self.stack.push(self.top(opcode)?),
            b't' => {
                let items = self.marked(opcode)?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.last(opcode, (opcode - 0x84).into())?;
                self.push(Value::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.marked(opcode)?;
                self.push(Value::List(items));
            }
            b'd' => {
                let items = pairs(self.marked(opcode)?);
                self.push(Value::Dict(items));
            }
            b'a' => {
                let item = self.pop(opcode)?;
                self.append(opcode, vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked(opcode)?;
                self.append(opcode, items)?;
            }
            b's' => {
                let items = pairs(self.last(opcode, 2)?);
                self.set_items(opcode, items)?;
            }
            b'u' => {
                let items = pairs(self.marked(opcode)?);
                self.set_items(opcode, items)?;
            }
            b'o' => {
                let mut args = self.marked(opcode)?;
                if args.is_empty() {
                    return Err(Problem::Stack(opcode));
                }
                let class = args.remove(0);
                self.object(class, args);
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop(opcode)?, self.pop(opcode)?);
                self.call(callable, args);
            }
            0x92 => {
                let (_keywords, args) = (self.pop(opcode)?, self.pop(opcode)?);
                let callable = self.pop(opcode)?;
                self.call(callable, args);
            }
            b'b' => {
                let (state, top) = (self.pop(opcode)?, self.top(opcode)?);
                // What carries no state of interest, a dictionary for one, may be given some.
                if let Value::Object(object) = &mut self.values[top.0 as usize] {
                    object.state = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop(opcode)?;
                self.push(Value::Persistent(id));
            }
            0x93 => {
                let (name, module) = (self.pop(opcode)?, self.pop(opcode)?);
                let text = |id: Id| match &self.values[id.0 as usize] {
                    Value::Text(text) => Ok(text),
                    _ => Err(Problem::Kind { opcode, expected: "two names" }),
                };
                let name = format!("{}.{}", text(module)?, text(name)?);
                self.push(Value::Global(name));
            }
            0x97 | 0x98 => return Err(Problem::Buffers),
            _ => return Err(Problem::Opcode(opcode)),
        }
        Ok(())
    }

    fn add(&mut self, value: Value) -> Id {
        let id = Id(self.values.len() as u32); // at most three an instruction, which are counted
        self.values.push(value);
        id
    }

    fn push(&mut self, value: Value) {
        let id = self.add(value);
        self.stack.push(id);
    }

    fn object(&mut self, class: Id, args: Vec<Id>) {
        let args = self.add(Value::Tuple(args));
        self.call(class, args);
    }

    fn call(&mut self, callable: Id, args: Id) {
        let object = Object { callable, args, state: None, items: Vec::new() };
        self.push(Value::Object(Box::new(object)));
    }

    /// The height that the stack must not sink below.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self, opcode: u8) -> Result<Id, Problem> {
        let above = self.stack.len() > self.floor();
        above.then(|| self.stack.pop()).flatten().ok_or(Problem::Stack(opcode))
    }

    fn top(&self, opcode: u8) -> Result<Id, Problem> {
        let above = self.stack.len() > self.floor();
        self.stack.last().copied().filter(|_| above).ok_or(Problem::Stack(opcode))
    }

    /// Takes the last `count` values.
    fn last(&mut self, opcode: u8, count: usize) -> Result<Vec<Id>, Problem> {
        let above = self.stack.len() - self.floor();
        if above < count {
            return Err(Problem::Stack(opcode));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// Takes the values down to the last mark, and the mark.
    fn marked(&mut self, opcode: u8) -> Result<Vec<Id>, Problem> {
        let mark = self.marks.pop().ok_or(Problem::Stack(opcode))?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, opcode: u8, items: Vec<Id>) -> Result<(), Problem> {
        let top = self.top(opcode)?;
        match &mut self.values[top.0 as usize] {
            Value::List(list) => list.extend(items),
            // Nothing that is looked at lies in a list that is an object.
            Value::Object(_) => {}
            _ => return Err(Problem::Kind { opcode, expected: "a list or an object" }),
        }
        Ok(())
    }

    fn set_items(&mut self, opcode: u8, items: Vec<(Id, Id)>) -> Result<(), Problem> {
        let top = self.top(opcode)?;
        match &mut self.values[top.0 as usize] {
            Value::Dict(dict) => dict.extend(items),
            Value::Object(object) => object.items.extend(items),
            _ => return Err(Problem::Kind { opcode, expected: "a dictionary or an object" }),
        }
        Ok(())
    }

    fn put(&mut self, opcode: u8, index: u32) -> Result<(), Problem> {
        let top = self.top(opcode)?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn memoized(&mut self, index: u32) -> Result<(), Problem> {
        let id = self.memo.get(&index).copied().ok_or(Problem::Memo(index))?;
        self.stack.push(id);
        Ok(())
    }
}

fn pairs(items: Vec<Id>) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)).collect()
}

/// The value of an instruction that stands for one.
fn literal<R: Read>(opcode: u8, input: &mut Input<R>) -> Result<Option<Value>, PickleError> {
    Ok(Some(match opcode {
        b'N' => Value::None,
        0x88 => Value::Bool(true),
        0x89 => Value::Bool(false),
        b'J' => Value::Int(i32::from_le_bytes(input.array()?).into()),
        b'K' => Value::Int(input.byte()?.into()),
        b'M' => Value::Int(u16::from_le_bytes(input.array()?).into()),
        b'I' => match input.line()?.as_str() {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            line => number(line, input)?,
        },
        b'L' => {
            let line = input.line()?;
            number(line.trim_end_matches('L'), input)?
        }
        0x8a => {
            let length = input.byte()?;
            integer(&input.bytes(length.into())?)
        }
        0x8b => {
            let length = u32::from_le_bytes(input.array()?);
            integer(&input.bytes(length.into())?)
        }
        b'F' => {
            let line = input.line()?;
            let value = line.trim().parse().map_err(|_| input.error(Problem::Number(line)))?;
            Value::Float(value)
        }
        b'G' => Value::Float(f64::from_be_bytes(input.array()?)),
        b'S' => Value::Text(input.line()?.trim_matches(['\'', '"']).to_owned()),
        b'V' => Value::Text(input.line()?),
        // Texts of Python 2 are bytes of any encoding.
        b'U' => {
            let length = input.byte()?;
            bytes_or_text(input.bytes(length.into())?)
        }
        b'T' => {
            let length = u32::from_le_bytes(input.array()?);
            bytes_or_text(input.bytes(length.into())?)
        }
        0x8c => {
            let length = input.byte()?;
            text(input.bytes(length.into())?)
        }
        b'X' => {
            let length = u32::from_le_bytes(input.array()?);
            text(input.bytes(length.into())?)
        }
        0x8d => {
            let length = u64::from_le_bytes(input.array()?);
            text(input.bytes(length)?)
        }
        b'C' => {
            let length = input.byte()?;
            Value::Bytes(input.bytes(length.into())?)
        }
        b'B' => {
            let length = u32::from_le_bytes(input.array()?);
            Value::Bytes(input.bytes(length.into())?)
        }
        0x8e | 0x96 => {
            let length = u64::from_le_bytes(input.array()?);
            Value::Bytes(input.bytes(length)?)
        }
        b')' => Value::Tuple(Vec::new()),
        b']' | 0x8f => Value::List(Vec::new()),
        b'}' => Value::Dict(Vec::new()),
        // An entry of a registry that only the program which wrote it has.
        0x82 => Value::Global(format!("extension {}", input.byte()?)),
        0x83 => Value::Global(format!("extension {}", u16::from_le_bytes(input.array()?))),
        0x84 => Value::Global(format!("extension {}", i32::from_le_bytes(input.array()?))),
        _ => return Ok(None),
    }))
}

fn number<R: Read>(line: &str, input: &Input<R>) -> Result<Value, PickleError> {
    let value = line.trim().parse().map(Value::Int);
    value.map_err(|_| input.error(Problem::Number(line.to_owned())))
}

/// An integer in two's complement, least byte first.
fn integer(bytes: &[u8]) -> Value {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Value::Int(i128::from_le_bytes(wide))
        }
        None => Value::Long,
    }
}

fn text(bytes: Vec<u8>) -> Value {
    // Python writes lone surrogates, which are no UTF-8; no name has any.
    Value::Text(
        String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    )
}

fn bytes_or_text(bytes: Vec<u8>) -> Value {
    String::from_utf8(bytes).map_or_else(|e| Value::Bytes(e.into_bytes()), Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        load(&mut Input::new(bytes, 0, bytes.len() as u64))
    }

    fn root(bytes: &[u8]) -> String {
        let pickle = read(bytes).unwrap();
        format!("{:?}", pickle.get(pickle.root()))
    }

    #[test]
    fn numbers() {
        assert_eq!(root(b"K\x07."), "Int(7)");
        assert_eq!(root(b"J\xff\xff\xff\xff."), "Int(-1)");
        assert_eq!(root(b"\x8a\x01\x80."), "Int(-128)");
        assert_eq!(root(b"\x8a\x00."), "Int(0)");
        assert_eq!(root(&[&[0x8a, 17][..], &[1; 17], b"."].concat()), "Long");
        assert_eq!(root(b"I01\n."), "Bool(true)");
        assert_eq!(root(b"L-12L\n."), "Int(-12)");
        assert_eq!(root(b"F1.5\n."), "Float(1.5)");
        assert_eq!(root(b"G\x3f\xf8\0\0\0\0\0\0."), "Float(1.5)");
    }

    #[test]
    fn texts_of_python_2_are_bytes() {
        assert_eq!(root(b"U\x02ab."), "Text(\"ab\")");
        assert_eq!(root(b"U\x01\xff."), "Bytes([255])");
        assert_eq!(root(b"S'ab'\n."), "Text(\"ab\")");
        // collections.OrderedDict([['a', 1]])
        let pickle = read(b"ccollections\nOrderedDict\n]](U\x01aK\x01ea\x85R.").unwrap();
        let pairs = pickle.sequence(pickle.pairs(pickle.root()).unwrap()).unwrap();
        let &[key, value] = pickle.sequence(pairs[0]).unwrap() else { unreachable!("a pair") };
        assert_eq!(pickle.text(key), Some("a"));
        assert_eq!(pickle.int::<u8>(value), Some(1));
    }

    #[test]
    fn old_objects_are_calls_too() {
        for bytes in [&b"(K\x01im\nC\n."[..], b"(cm\nC\nK\x01o.", b"cm\nC\nK\x01\x85\x81."] {
            let pickle = read(bytes).unwrap();
            let (name, args) = pickle.call(pickle.root()).unwrap();
            assert_eq!((name, args.len()), ("m.C", 1));
        }
    }

    #[test]
    fn a_circle_is_no_trouble() {
        let pickle = read(b"]q\0h\0a.").unwrap();
        assert_eq!(pickle.sequence(pickle.root()).unwrap(), [pickle.root()]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (bytes, told) in [
            (&b""[..], "needs 1 more bytes and 0 are left, at byte 0"),
            (b"X\xff\xff\xff\xffab", "needs 4294967295 more bytes and 2 are left, at byte 5"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab", "and 2 are left"),
            (b"\x7f.", "0x7f is no instruction"),
            (b"(.", "0x2e finds too little on the stack, at byte 2"),
            (b"t.", "0x74 finds too little"),
            (b"K\x01\x86.", "0x86 finds too little"),
            (b"(K\x01\x85\x86.", "0x86 finds too little"),
            (b"h\x05.", "its value 5"),
            (b"K\x01K\x02a.", "0x61 expects a list"),
            (b"K\x01K\x02K\x03s.", "0x73 expects a dictionary"),
            (b"\x80\x06.", "protocol 6"),
            (b"\x97.", "buffers"),
            (b"I1x\n.", "`1x`"),
        ] {
            let message = read(bytes).unwrap_err().to_string();
            assert!(message.contains(told), "{message} lacks {told}");
        }
    }

    #[test]
    fn a_pickle_without_end_is_refused() {
        let bytes = vec![b'N'; MOST_OPCODES + 1];
        assert!(matches!(read(&bytes).unwrap_err().problem, Problem::Long));
    }
}
