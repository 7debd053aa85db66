//! What takes a signed request to its peer and brings the answer: usually the TLS lanes; a simulation puts its own in
//! their place.
//!
//! Whoever carries is below the signature: the request was signed before, and the answer is used only after status,
//! signature and digest were checked, just as over TLS. It cannot speak for anybody.

use super::Peer;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};
use vocabulary::Problem;

/// What can go wrong while a body travels.
type BodyError = Box<dyn Error + Send + Sync>;
/// A body on its way, either way.
pub type CarriedBody = UnsyncBoxBody<Bytes, BodyError>;
/// An answer to come.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Result<http::Response<CarriedBody>, Problem>> + Send + 'a>>;

/// Takes one signed request to a peer and brings its answer.
pub trait Carrier: Send + Sync {
    /// Carries `request` to `peer`. Its failure is `peer.unreachable`, as that of a lost connection.
    fn carry<'a>(&'a self, peer: &'a Peer, request: http::Request<CarriedBody>) -> Carrying<'a>;
}

/// The body of an answer as it comes in.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Wire(Incoming),
    Carried(CarriedBody),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Wire(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Carried(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Wire(body) => body.is_end_stream(),
            Self::Carried(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Wire(body) => body.size_hint(),
            Self::Carried(body) => body.size_hint(),
        }
    }
}
