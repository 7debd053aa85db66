//! Attachments 附件 of requests: kept under their digests at the asker's, fetched from there when somebody looks.

use crate::{Incoming, Organisation, Outcome, organisation::fault, requests::authority};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use exchange::{
    Attachment, ReadAttachment, RequestId, RequestView, attachments, check_attachments, no_attachment, other_attachment,
};
use peer::Call;
use policy::Principal;
use serde::Deserialize;
use vocabulary::{Digest, Kind, Problem, Suite, ensure};

/// A file as it is handed in.
#[derive(Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentDraft {
    /// Its name, with its ending.
    pub name: String,
    /// Its bytes in base64.
    pub content: String,
}

impl std::fmt::Debug for AttachmentDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} characters of base64)", self.name, self.content.len())
    }
}

/// Files that were read and checked, not kept yet.
pub(crate) struct Files(Vec<(Attachment, Bytes)>);

fn blob_name(file: &Attachment) -> String {
    format!("attachment/{}/{}", file.digest.suite, file.digest.hex())
}

impl Files {
    /// As the signed text names them.
    pub(crate) fn listed(&self) -> Vec<Attachment> {
        self.0.iter().map(|(it, _)| it.clone()).collect()
    }
}

impl Organisation {
    /// Reads and checks what is handed in, beside everything else that the node does: it may be many megabytes.
    pub(crate) async fn files(&self, drafts: Vec<AttachmentDraft>) -> Result<Files, Problem> {
        if drafts.is_empty() {
            return Ok(Files(Vec::new()));
        }
        let suite = self.suite();
        let read = tokio::task::spawn_blocking(move || read_files(suite, drafts));
        read.await.map_err(|it| fault("attachments", &it))?
    }

    /// Keeps them, before anything names them: a name without its file there never is.
    pub(crate) async fn keep(&self, files: &Files) -> Result<(), Problem> {
        for (file, bytes) in &files.0 {
            self.blobs.put(&blob_name(file), bytes.clone()).await?;
        }
        Ok(())
    }

    /// One file of a request: from here, or from its asker, and then kept.
    ///
    /// # Errors
    /// `exchange.request_missing`, `exchange.attachment_missing`, `exchange.attachment_differs`, `policy.role`; those
    /// of asking the asker's node.
    pub async fn attachment(
        &self,
        principal: &Principal,
        id: RequestId,
        number: usize,
    ) -> Result<(Attachment, Bytes), Problem> {
        self.permit(principal, ReadAttachment)?;
        let view = self.followed(id).await?;
        self.fetched(&view, number).await
    }

    /// A file from here; or from the asker, over levels from whoever stands before us on the way, and then kept.
    async fn fetched(&self, view: &RequestView, number: usize) -> Result<(Attachment, Bytes), Problem> {
        let (body, file) = (&view.request.body, nth(view, number)?);
        if body.consumer == *self.id() || self.blobs.contains(&blob_name(&file)).await? {
            return Ok((file.clone(), self.kept(&file).await?));
        }
        let call = Call::get(format!("/peer/v1/requests/{}/attachments/{number}", body.id));
        let holder = self.peer(exchange::before(body, self.id()))?;
        let answer = self.client.send(&holder, &call, self.now()).await?;
        ensure!(file.digest.fits(&answer.body), other_attachment(&file));
        self.blobs.put(&blob_name(&file), answer.body.clone()).await?;
        Ok((file, answer.body))
    }

    /// Gives a file of our own request to a member that answers it.
    ///
    /// # Errors
    /// `exchange.request_missing`, also for another's request; as [`Organisation::attachment`].
    pub async fn tell_attachment(&self, incoming: &Incoming, id: RequestId, number: usize) -> Result<Outcome, Problem> {
        let view = exchange::request(&mut self.store.read().await?, id).await?;
        let (body, who) = (&view.request.body, &incoming.member.organisation.id);
        let members = self.members()?;
        let passage = exchange::passage(body);
        let answers = if passage.is_empty() {
            let answers = body.provider == *who || authority(&members).is_ok_and(|it| it == *who);
            body.consumer == *self.id() && answers
        } else {
            passage.contains(&self.id()) && passage.contains(&who)
        };
        ensure!(answers, exchange::no_request(id));
        let (_, bytes) = self.fetched(&view, number).await?;
        Ok(Outcome { body: bytes, media: "application/octet-stream", receipt: None })
    }

    async fn kept(&self, file: &Attachment) -> Result<Bytes, Problem> {
        let bytes = self.blobs.get(&blob_name(file)).await?;
        ensure!(file.digest.fits(&bytes), other_attachment(file));
        Ok(bytes)
    }
}

fn read_files(suite: Suite, drafts: Vec<AttachmentDraft>) -> Result<Files, Problem> {
    let mut files = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let bytes = STANDARD.decode(&draft.content).map_err(|_| not_base64(&draft.name))?;
        let digest = Digest::by(suite, &bytes);
        files.push((Attachment { name: draft.name, bytes: bytes.len() as u64, digest }, Bytes::from(bytes)));
    }
    let files = Files(files);
    check_attachments(&files.listed())?;
    Ok(files)
}

fn nth(view: &RequestView, number: usize) -> Result<Attachment, Problem> {
    attachments(view).get(number).map(|it| (*it).clone()).ok_or_else(|| no_attachment(number))
}

fn not_base64(name: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.attachment_content",
        format!("附件“{name}”的 content 不是 base64"),
        format!("the content of {name:?} is no base64"),
    )
    .field("/attachments")
}
