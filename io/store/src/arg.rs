//! What goes into a statement and comes out of a row: four types that both databases share.

/// A parameter or a cell: int8, text, bytes or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// SQL NULL; as a parameter it is an untyped text null.
    Null,
    /// int8: numbers, µs timestamps, 0/1.
    Int(i64),
    /// Text, also JSON.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => |$it:ident| $make:expr;)*) => {
        $(impl From<$type> for Arg {
            fn from($it: $type) -> Self {
                $make
            }
        })*
    };
}

from! {
    i64 => |it| Self::Int(it);
    i32 => |it| Self::Int(it.into());
    u32 => |it| Self::Int(it.into());
    bool => |it| Self::Int(it.into());
    &str => |it| Self::Text(it.to_owned());
    &String => |it| Self::Text(it.clone());
    String => |it| Self::Text(it);
    Vec<u8> => |it| Self::Bytes(it);
    &[u8] => |it| Self::Bytes(it.to_vec());
    [u8; 32] => |it| Self::Bytes(it.to_vec());
}

impl<T: Into<Self>> From<Option<T>> for Arg {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Builds the arguments of a statement: `args![id, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::Arg::from($value)),*]
    };
}
