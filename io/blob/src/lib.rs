//! Bytes by name: parts of batches, rejected rows, later attachments and tiles. On disk now; S3 is a setting later.
//!
//! A name appears only whole: it is written aside, synced, and then renamed.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, path::Path};
use std::sync::Arc;
use vocabulary::{Kind, Problem};

/// The blobs of one organisation. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<dyn ObjectStore>);

fn fault(name: &str, cause: &object_store::Error) -> Problem {
    if matches!(cause, object_store::Error::NotFound { .. }) {
        return Problem::new(
            Kind::Missing,
            "blob.missing",
            format!("没有文件 {name}"),
            format!("there is no blob {name}"),
        );
    }
    tracing::error!(name, %cause, "blob fault");
    Problem::new(
        Kind::Unavailable,
        "blob.fault",
        format!("文件 {name} 暂时无法读写；请查看节点日志与磁盘空间"),
        format!("blob {name} cannot be read or written for the moment; see the node's log and the disk's free space"),
    )
}

impl Blobs {
    /// Opens a folder, which is made when it is not there.
    ///
    /// # Errors
    /// `blob.fault` when it cannot be made or is no folder.
    pub fn folder(path: &std::path::Path) -> Result<Self, Problem> {
        let name = path.display().to_string();
        std::fs::create_dir_all(path).map_err(|cause| {
            tracing::error!(name, %cause, "blob folder");
            Problem::new(
                Kind::Unavailable,
                "blob.fault",
                format!("无法建立文件夹 {name}"),
                format!("folder {name} cannot be made"),
            )
        })?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|it| fault(&name, &it))?;
        Ok(Self(Arc::new(store.with_fsync(true).with_automatic_cleanup(true))))
    }

    /// Writes a blob whole, in place of what was there.
    ///
    /// # Errors
    /// `blob.fault`; what was there is then still there.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Problem> {
        self.0.put(&Path::from(name), bytes.into()).await.map(|_| ()).map_err(|it| fault(name, &it))
    }

    /// Reads a blob whole.
    ///
    /// # Errors
    /// `blob.missing`, `blob.fault`.
    pub async fn get(&self, name: &str) -> Result<Bytes, Problem> {
        let got = self.0.get(&Path::from(name)).await.map_err(|it| fault(name, &it))?;
        got.bytes().await.map_err(|it| fault(name, &it))
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// `blob.fault`.
    pub async fn contains(&self, name: &str) -> Result<bool, Problem> {
        match self.0.head(&Path::from(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(fault(name, &error)),
        }
    }

    /// Deletes a blob; one that is not there is no fault.
    ///
    /// # Errors
    /// `blob.fault`.
    pub async fn delete(&self, name: &str) -> Result<(), Problem> {
        match self.0.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault(name, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::folder(&folder.path().join("deep/er")).unwrap();
        assert_eq!(blobs.get("parcel/a/1").await.unwrap_err().code, "blob.missing");
        blobs.put("parcel/a/1", Bytes::from_static(b"one")).await.unwrap();
        blobs.put("parcel/a/1", Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(blobs.get("parcel/a/1").await.unwrap(), Bytes::from_static(b"two"));
        assert!(blobs.contains("parcel/a/1").await.unwrap());
        blobs.delete("parcel/a/1").await.unwrap();
        assert!(!blobs.contains("parcel/a/1").await.unwrap());
        blobs.delete("parcel/a/1").await.unwrap();
        assert_eq!(blobs.get("parcel/a/1").await.unwrap_err().code, "blob.missing");
    }

    #[tokio::test]
    async fn a_name_cannot_climb_out_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::folder(&folder.path().join("inner")).unwrap();
        blobs.put("../outside", Bytes::from_static(b"x")).await.ok();
        assert!(!folder.path().join("outside").exists());
    }
}
