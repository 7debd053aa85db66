//! What came from another node, judged: whose message it is, and what is sent back.

use crate::Organisation;
use bytes::Bytes;
use exchange::{Asked, Nonce};
use federation::Member;
use peer::message::Verified;
use policy::{Ask, Facts, Permit, Principal};
use std::sync::Arc;
use vocabulary::{Digest, Problem, Signature, Timestamp};

/// A message of a member, verified: signature, clock, digest, membership.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Who sent it.
    pub member: Arc<Member>,
    /// Its signature.
    pub verified: Verified,
    /// Its body.
    pub body: Bytes,
    /// When it came, by our clock.
    pub now: Timestamp,
}

/// What is sent back: bytes of a media type, with a receipt where something was delivered.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The body.
    pub body: Bytes,
    /// Its media type.
    pub media: &'static str,
    /// The receipt, for the `yunhe-receipt` field.
    pub receipt: Option<String>,
}

impl Outcome {
    /// A JSON answer.
    ///
    /// # Errors
    /// `node.fault` when the value is no JSON.
    pub fn json<T: serde::Serialize>(value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|it| crate::organisation::fault("answer", &it))?;
        Ok(Self { body: body.into(), media: "application/json", receipt: None })
    }
}

impl Incoming {
    /// Who asks, for policy.
    pub fn principal(&self) -> Principal {
        Principal::member(self.member.organisation.id.clone())
    }

    /// The body's digest.
    pub fn digest(&self) -> Digest {
        self.verified.digest
    }

    /// The signed request as proof.
    pub fn asked(&self) -> Asked {
        let key = &self.verified.key;
        let signature =
            Signature { suite: key.suite(), key: key.base64(), value: self.verified.sent.signature.clone() };
        Asked { base: self.verified.base.clone(), signature }
    }

    /// The nonce to claim.
    pub fn nonce(&self) -> Nonce {
        let claim = self.verified.claim();
        Nonce { key: claim.key.base64(), nonce: claim.nonce.to_string(), keep_until: claim.keep_until }
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// `web.body` with what is wrong.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|it| {
            Problem::new(
                vocabulary::Kind::Unprocessable,
                "web.body",
                format!("正文无法读懂：{it}"),
                format!("the body cannot be read: {it}"),
            )
        })
    }
}

impl Organisation {
    /// Decides an ask of one of our own people, programs or jobs.
    ///
    /// # Errors
    /// As [`policy::decide`].
    pub fn permit<A: Ask>(&self, principal: &Principal, ask: A) -> Result<Permit<A>, Problem> {
        let facts =
            Facts { organisation: self.id().clone(), principal: principal.clone(), now: self.now(), agreement: None };
        policy::decide(&facts, ask)
    }

    /// Decides an ask of one of our own people on the facts of an agreement.
    ///
    /// # Errors
    /// As [`policy::decide`].
    pub fn permit_with<A: Ask>(
        &self,
        principal: Principal,
        agreement: Option<policy::AgreementFacts>,
        ask: A,
    ) -> Result<Permit<A>, Problem> {
        let facts = Facts { organisation: self.id().clone(), principal, now: self.now(), agreement };
        policy::decide(&facts, ask)
    }
}
