//! What SQL can ask the domain: rules that a list is filtered by are written once, over there.

use filmgate_domain::{Delivered, Seconds, Shape};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

/// Gives a connection its functions:
///
/// `verdict_on(resolution, seconds, aspect_ratio, width, height, duration_ms)`: the word of the verdict on a file
/// of that size and length, measured against what was asked; null while there is no file.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("verdict_on", 6, flags, verdict_on)
}

fn verdict_on(context: &mut Context<'_>) -> Result<Option<&'static str>> {
    let Some(width) = context.get(3)? else { return Ok(None) };
    let asked = Shape {
        resolution: word(context, 0)?,
        seconds: Seconds::new(context.get(1)?).map_err(wrong)?,
        aspect_ratio: word(context, 2)?,
    };
    // Neither codec, size nor hash count for the verdict.
    let (codec, bytes, sha256) = Default::default();
    let (height, duration_ms) = (context.get(4)?, context.get::<i64>(5)?.try_into().map_err(wrong)?);
    let delivered = Delivered { width, height, duration_ms, codec, bytes, sha256 };
    Ok(Some(delivered.verdict(&asked).as_str()))
}

fn word<T>(context: &Context<'_>, place: usize) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    context.get_raw(place).as_str()?.parse().map_err(wrong)
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::UserFunctionError(Box::new(error))
}
