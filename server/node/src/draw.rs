//! Randomness and ids are drawn here, at the edge, and handed in everywhere else.

use evidence::Salt;
use uuid::{ContextV7, Timestamp as UuidTime, Uuid};
use vocabulary::{Kind, Problem, Timestamp};

/// `N` bytes of the system's randomness.
///
/// # Errors
/// `node.entropy` when the system gives none.
pub fn draw_bytes<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|it| {
        Problem::new(Kind::Internal, "node.entropy", format!("系统未提供随机数：{it}"), it.to_string())
    })?;
    Ok(bytes)
}

/// A salt for a leaf.
///
/// # Errors
/// As [`draw_bytes`].
pub fn draw_salt() -> Result<Salt, Problem> {
    draw_bytes().map(Salt)
}

/// A UUIDv7 of `now`.
pub fn draw_uuid(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(UuidTime::from_unix(ContextV7::new(), seconds, nanos))
}
