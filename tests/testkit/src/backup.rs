//! Backups of a world's organisations, and disasters after which they are needed.

use crate::World;
use node::{Manifest, Restored};
use std::{fs, path::Path};

impl World {
    /// Backs up the node of that organisation, which runs or not; the organisation's manifest.
    pub async fn back_up(&self, id: &str, out: &Path) -> Manifest {
        let node = self.node(id);
        let all = node::back_up(&node.folder, &node.config, out, None, &*self.clock).await.unwrap();
        all.into_iter().find(|it| it.organisation.as_str() == id).unwrap()
    }

    /// Everything of a killed organisation is lost but its keys, and the backup is put back in its place.
    pub async fn lose_and_restore(&mut self, id: &str, backup: &Path) -> Restored {
        let home = self.folder(id);
        for entry in fs::read_dir(&home).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                "keys" => {}
                _ if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                _ => fs::remove_file(path).unwrap(),
            }
        }
        self.home.destroy(&id.replace('-', "_")).await;
        let node = self.node(id);
        let ask = node::RestoreAsk {
            backup: &backup.join(id),
            home: &home,
            config: node.config.organisation.iter().find(|it| it.id.as_str() == id).unwrap().clone(),
            addresses: node.config.peer.iter().map(ToString::to_string).collect(),
            passphrase: None,
            allow_old: false,
        };
        let restored = node::restore(ask, self.federation(), &*self.clock).await.unwrap();
        self.set_epoch(id, restored.config.epoch);
        restored
    }

    /// Sets the epoch in the configuration of an organisation, as of its next start.
    pub fn set_epoch(&mut self, id: &str, epoch: u32) {
        let all = &mut self.node_mut(id).config.organisation;
        all.iter_mut().find(|it| it.id.as_str() == id).unwrap().epoch = epoch;
    }
}
