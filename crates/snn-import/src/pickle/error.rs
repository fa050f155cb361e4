use super::MOST_OPCODES;

/// Why bytes are no pickle that we read.
#[derive(Debug, thiserror::Error)]
#[error("{problem}, at byte {at}")]
pub struct PickleError {
    /// Where, counted from the start of the file or of its entry.
    pub at: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a pickle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It ends too early.
    #[error("the pickle needs {needed} more bytes and {left} are left")]
    Cut {
        /// Bytes that it announces.
        needed: u64,
        /// Bytes that there are.
        left: u64,
    },
    /// The system could not read.
    #[error("cannot read")]
    Io(#[from] std::io::Error),
    /// A byte that starts no instruction of protocols 0 to 5.
    #[error("0x{0:02x} is no instruction of a pickle")]
    Opcode(u8),
    /// An instruction takes more from the stack than lies there.
    #[error("a pickle's instruction 0x{0:02x} finds too little on the stack")]
    Stack(u8),
    /// An instruction takes something else than it finds.
    #[error("a pickle's instruction 0x{opcode:02x} expects {expected}")]
    Kind {
        /// The instruction.
        opcode: u8,
        /// What it takes.
        expected: &'static str,
    },
    /// It refers to a value that it has not noted.
    #[error("the pickle refers to its value {0}, which it has not noted")]
    Memo(u32),
    /// A number that is none.
    #[error("`{0}` stands where a pickle has a number")]
    Number(String),
    /// A protocol of the future.
    #[error("the pickle is of protocol {0}, expected at most 5")]
    Protocol(u8),
    /// Buffers outside of the pickle.
    #[error("the pickle refers to buffers outside of it, which no file of PyTorch does")]
    Buffers,
    /// It has more instructions than any checkpoint.
    #[error("the pickle has more than {MOST_OPCODES} instructions")]
    Long,
}
