//! Values on their way into the database and out of it.

use filmgate_domain::{CallerId, JobId, KeyId, Timestamp, TokenId};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::EventId;

/// A value for a statement.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The values of a statement, `$1` first.
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::db::Bind::value(&$value)),*] };
}
pub(crate) use args;

/// What can be a value of a statement.
pub(crate) trait Bind {
    fn value(&self) -> Value<'_>;
}

/// What can be read from a column. The error says what is there instead.
pub(crate) trait Column: Sized {
    fn read(value: ValueRef<'_>) -> Result<Self, String>;
}

impl<T: Bind + ?Sized> Bind for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::value)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        if matches!(value, ValueRef::Null) { Ok(None) } else { T::read(value).map(Some) }
    }
}

impl Bind for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Bind for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

macro_rules! texts {
    ($($text:ty),*) => { $(
        impl Bind for $text {
            fn value(&self) -> Value<'_> {
                Value::Text(self)
            }
        }
        impl Column for $text {
            fn read(value: ValueRef<'_>) -> Result<Self, String> {
                value.as_str().map(Self::from).map_err(|_| "no text".to_owned())
            }
        }
    )* };
}
texts!(String, Box<str>);

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Bind for $number {
            fn value(&self) -> Value<'_> {
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
        impl Column for $number {
            fn read(value: ValueRef<'_>) -> Result<Self, String> {
                let number = value.as_i64().map_err(|_| "no number".to_owned())?;
                Self::try_from(number).map_err(|_| format!("{number} is out of range"))
            }
        }
    )* };
}
numbers!(i64, u64, u32, u16, u8);

macro_rules! numbered {
    ($($id:ty: $make:expr, $number:expr);*) => { $(
        impl Bind for $id {
            fn value(&self) -> Value<'_> {
                Value::Int($number(self))
            }
        }
        impl Column for $id {
            fn read(value: ValueRef<'_>) -> Result<Self, String> {
                i64::read(value).map($make)
            }
        }
    )* };
}
numbered!(
    TokenId: TokenId, |id: &TokenId| id.0;
    CallerId: CallerId, |id: &CallerId| id.0;
    KeyId: KeyId, |id: &KeyId| id.0;
    Timestamp: Timestamp::from_millis, |at: &Timestamp| at.as_millis()
);

impl Bind for bool {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Column for bool {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        match value.as_i64() {
            Ok(0) => Ok(false),
            Ok(1) => Ok(true),
            _ => Err("neither 0 nor 1".to_owned()),
        }
    }
}

impl Bind for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl Column for Vec<u8> {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        value.as_blob().map(<[u8]>::to_vec).map_err(|_| "no bytes".to_owned())
    }
}

impl<const N: usize> Bind for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> Column for [u8; N] {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        let bytes = value.as_blob().map_err(|_| "no bytes".to_owned())?;
        bytes.try_into().map_err(|_| format!("{} bytes, not {N}", bytes.len()))
    }
}

impl Bind for JobId {
    fn value(&self) -> Value<'_> {
        Value::Blob(self.as_bytes())
    }
}

impl Column for JobId {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        <[u8; 16]>::read(value).map(Self::from_bytes)
    }
}

impl Bind for EventId {
    fn value(&self) -> Value<'_> {
        Value::Blob(self.as_bytes())
    }
}

impl Column for EventId {
    fn read(value: ValueRef<'_>) -> Result<Self, String> {
        <[u8; 16]>::read(value).map(Self::from_bytes)
    }
}
