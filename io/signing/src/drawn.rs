//! The system's randomness.

use vocabulary::{Kind, Problem};
use zeroize::Zeroizing;

/// `N` bytes of it; wiped when dropped.
///
/// # Errors
/// `signing.entropy` when the system gives none.
pub(crate) fn drawn<const N: usize>() -> Result<Zeroizing<[u8; N]>, Problem> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|it| {
        Problem::new(
            Kind::Internal,
            "signing.entropy",
            format!("系统未提供随机数：{it}"),
            format!("the system gave no randomness: {it}"),
        )
    })?;
    Ok(bytes)
}
