//! The documents of an exchange, frozen: what travels, is signed and stays. Each names its format and version.
//!
//! Canonical bytes are RFC 8785; a signature covers `yunhe/v1/<purpose>\n` and those bytes (crate `signing`). Fields
//! are
//! only ever added as optional; anything else is a new version. Examples with fixed keys stand in `tests/conformance`.

use crate::{Attachment, Called};
use policy::{AnswerStep, Terms, Travel};
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use signing::{PublicKey, Purpose, Sign, Signer};
use vocabulary::{
    Date, Digest, FederationName, Kind, OperationName, OrganisationId, PlatformNumber, Problem, ResourceId, Signature,
    Suite, Timestamp, canonical_digest, ensure, id,
};

id!(
    /// Names a request for access.
    RequestId, "req"
);
id!(
    /// Names an agreement.
    AgreementId, "agr"
);
id!(
    /// Names a delivery: one query, or one batch with its parts.
    DeliveryId, "dlv"
);
id!(
    /// Names a receipt.
    ReceiptId, "rcp"
);

/// A document that can be signed.
pub trait Document: Serialize + DeserializeOwned {
    /// What its signatures are for.
    const PURPOSE: Purpose;
    /// The format and version that its `format` field must hold.
    const FORMAT: &'static str;

    /// The `format` field.
    fn format(&self) -> &str;
}

/// A document with the signatures under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is signed.
    pub body: T,
    /// By whom, in the order in which they signed.
    pub signatures: Vec<Signature>,
}

impl<T: Document> Signed<T> {
    /// Signs a document for the first time.
    ///
    /// # Errors
    /// What the signer says.
    pub fn sign(body: T, signer: &dyn Signer) -> Result<Self, Problem> {
        let signature = signer.sign_canonical(T::PURPOSE, &body)?;
        Ok(Self { body, signatures: vec![signature] })
    }

    /// Adds a signature.
    ///
    /// # Errors
    /// What the signer says.
    pub fn countersign(&mut self, signer: &dyn Signer) -> Result<(), Problem> {
        self.signatures.push(signer.sign_canonical(T::PURPOSE, &self.body)?);
        Ok(())
    }

    /// The digest of the document without its signatures.
    ///
    /// # Errors
    /// `format.canonical`.
    pub fn digest(&self) -> Result<Digest, Problem> {
        canonical_digest(Suite::default(), &self.body)
    }

    /// Checks that one of `keys` has signed, and that the format is the one we read.
    ///
    /// # Errors
    /// `exchange.format`, `exchange.signature`.
    pub fn check(&self, keys: &[PublicKey]) -> Result<(), Problem> {
        ensure!(
            self.body.format() == T::FORMAT,
            Problem::new(
                Kind::Unprocessable,
                "exchange.format",
                format!("文件格式为 {}，应为 {}", self.body.format(), T::FORMAT),
                format!("the document's format is {}, {} was expected", self.body.format(), T::FORMAT),
            )
        );
        let signed = keys.iter().any(|key| {
            self.signatures
                .iter()
                .any(|it| it.key == key.base64() && key.verify_canonical(T::PURPOSE, &self.body, it).is_ok())
        });
        ensure!(
            signed,
            Problem::new(
                Kind::Refused,
                "exchange.signature",
                "文件没有该单位有效密钥的签名，或签名与内容不符",
                "the document bears no signature by a valid key of that organisation, or it does not fit the content",
            )
        );
        Ok(())
    }
}

macro_rules! document {
    ($name:ident, $purpose:ident, $format:literal) => {
        impl Document for $name {
            const PURPOSE: Purpose = Purpose::$purpose;
            const FORMAT: &'static str = $format;

            fn format(&self) -> &str {
                &self.format
            }
        }
    };
}

/// By what right data is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// The law, regulation or decision.
    pub law: String,
    /// Its article.
    pub article: String,
}

/// A request for access to an offer (共享申请).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// `yunhe-request/1`.
    pub format: String,
    /// Its name.
    pub id: RequestId,
    /// Within which federation.
    pub federation: FederationName,
    /// Who asks.
    pub consumer: OrganisationId,
    /// Who holds the data.
    pub provider: OrganisationId,
    /// Which offer of the provider's.
    pub offer: ResourceId,
    /// Which of its columns; of a service, none.
    pub columns: Vec<FieldName>,
    /// Which operations of a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationName>,
    /// For what.
    pub purpose: String,
    /// By what right.
    pub basis: LegalBasis,
    /// For which matter (事项).
    pub matter: String,
    /// By which application system.
    pub system: String,
    /// How often it will be used.
    pub frequency: String,
    /// The last day it is needed.
    #[schemars(with = "String")]
    pub until: Date,
    /// Who answers for the use: an office, by its name.
    pub in_charge: String,
    /// Files that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The authorities by whom it goes from level to level, in turn; none: straight, by the federation's one authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub way: Vec<OrganisationId>,
    /// Numbers that platforms gave (目录代码、资源编码、需求申请编号、授权码), each with who gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PlatformNumber>,
    /// When it was made.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(AccessRequest, Request, "yunhe-request/1");

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 受理: taken up; the clock runs.
    Accept,
    /// 补正: something is missing, say what.
    Supplement,
    /// 退回: sent back, say why.
    Return,
    /// 同意.
    Agree,
    /// 部分同意: only these columns, say why.
    AgreeInPart,
    /// 不同意: refused, with the legal reason.
    Refuse,
}

/// One answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `yunhe-answer/1`.
    pub format: String,
    /// To which request.
    pub request: RequestId,
    /// Its digest.
    pub request_digest: Digest,
    /// As which step.
    pub step: AnswerStep,
    /// By which organisation.
    pub by: OrganisationId,
    /// What it says.
    pub verdict: Verdict,
    /// Why; needed for everything but accept and agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which columns, when it agrees in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<FieldName>>,
    /// Which operations of a service, when it agrees in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<OperationName>>,
    /// Numbers that platforms gave (目录代码、资源编码、需求申请编号、授权码), each with who gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PlatformNumber>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(Answer, Answer, "yunhe-answer/1");

/// What the consumer adds after 补正.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supplement {
    /// `yunhe-supplement/1`.
    pub format: String,
    /// To which request.
    pub request: RequestId,
    /// Its digest.
    pub request_digest: Digest,
    /// What was missing.
    pub note: String,
    /// Files that were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(Supplement, Request, "yunhe-supplement/1");

/// An agreement (共享协议); it is live once provider and consumer have signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// `yunhe-agreement/1`.
    pub format: String,
    /// Its name.
    pub id: AgreementId,
    /// Counts amendments from 1.
    pub revision: u32,
    /// Within which federation.
    pub federation: FederationName,
    /// Who delivers.
    pub provider: OrganisationId,
    /// Who receives.
    pub consumer: OrganisationId,
    /// By which application system.
    pub system: String,
    /// From which request.
    pub request: RequestId,
    /// The request's digest.
    pub request_digest: Digest,
    /// Under which offer.
    pub offer: ResourceId,
    /// By what right.
    pub basis: LegalBasis,
    /// What was agreed.
    pub terms: Terms,
    /// How its deliveries travel.
    #[serde(default, skip_serializing_if = "Travel::is_direct")]
    pub travel: Travel,
    /// Numbers that platforms gave (目录代码、资源编码、需求申请编号、授权码), each with who gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PlatformNumber>,
    /// When it was made.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(Agreement, Agreement, "yunhe-agreement/1");

/// The end of an agreement before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// `yunhe-revocation/1`.
    pub format: String,
    /// Which agreement.
    pub agreement: AgreementId,
    /// Its digest.
    pub agreement_digest: Digest,
    /// Who takes it back.
    pub by: OrganisationId,
    /// Why.
    pub reason: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(Revocation, Revocation, "yunhe-revocation/1");

/// A query as it travels: the body of a signed message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For what; must be the agreed purpose.
    pub purpose: String,
    /// Who acts at the consumer: `application:…` or `person:…`.
    pub actor: String,
    /// Which columns; none named: all agreed ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<FieldName>,
    /// The natural key of one row, as texts in the key's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// A condition in CEL on agreed columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// The key of the last row of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
    /// Rows per page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a receipt states (交换回执): who, what, which agreement, digests of request and answer, how much, when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBody {
    /// `yunhe-receipt/1`.
    pub format: String,
    /// Its name.
    pub id: ReceiptId,
    /// Within which federation.
    pub federation: FederationName,
    /// Who delivered.
    pub provider: OrganisationId,
    /// Who asked.
    pub consumer: OrganisationId,
    /// Who acted at the consumer.
    pub actor: String,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// The agreement's digest.
    pub agreement_digest: Digest,
    /// The record type, or the service.
    pub record: ResourceId,
    /// What was called of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Called>,
    /// For what.
    pub purpose: String,
    /// The batch it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The part of that batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// The digest of the signed request's body.
    pub request: Digest,
    /// The digest of the answer's bytes.
    pub answer: Digest,
    /// Rows in the answer.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Numbers that platforms gave (目录代码、资源编码、需求申请编号、授权码), each with who gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PlatformNumber>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

impl ReceiptBody {
    /// What it counts against the quota: its rows, or of a service one call.
    pub fn counts(&self) -> u64 {
        if self.called.is_some() { 1 } else { self.rows }
    }
}

/// The consumer's signed HTTP request (RFC 9421): its signature base names the digest of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The signature base as signed.
    pub base: String,
    /// The consumer's signature over it.
    pub signature: Signature,
}

/// The consumer's countersignature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// `yunhe-acknowledgement/1`.
    pub format: String,
    /// The leaves of the receipts that were checked and taken over.
    pub leaves: Vec<Digest>,
    /// The leaves of receipts about answers that never came: we asked, and fetched the receipt afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreceived: Vec<Digest>,
    /// By which organisation.
    pub by: OrganisationId,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
document!(Acknowledgement, Acknowledgement, "yunhe-acknowledgement/1");

/// A receipt as a file: proof without asking anybody. `issued` with the provider's batch signature and the consumer's
/// request; `acknowledged` with the countersignature as well; `log_proof` once its leaf is in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What it states.
    pub body: ReceiptBody,
    /// 32 bytes in hex that hide the body behind its leaf.
    pub salt: String,
    /// The leaf, its log and the promise.
    pub log: evidence::LogPromise,
    /// The provider's signature, through the batch of that commit.
    pub batch: evidence::BatchProof,
    /// The consumer's signed request.
    pub asked: Asked,
    /// The countersignature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Signed<Acknowledgement>>,
    /// A C2SP tlog-proof of the leaf's inclusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_proof: Option<String>,
}
