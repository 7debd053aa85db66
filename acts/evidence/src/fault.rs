//! What can be wrong with evidence, each named so that a reader knows which part to distrust.

use crate::tile::TilePath;
use vocabulary::{Kind, Problem};

/// Why a note, checkpoint, proof, batch or tile does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text is no signed note.
    #[error("this is no signed note: {0}")]
    Note(&'static str),
    /// The text is no verifier key.
    #[error("this is no verifier key: {0}")]
    Key(&'static str),
    /// No known key has signed.
    #[error("no signature by a known key; known: {0}")]
    Unsigned(String),
    /// A known key's signature does not fit the text.
    #[error("the signature of {0} does not fit the text")]
    Signature(String),
    /// The note is no checkpoint.
    #[error("this is no checkpoint: {0}")]
    Checkpoint(&'static str),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of log {got}, expected {expected}")]
    Origin {
        /// The log that was meant.
        expected: String,
        /// The log that the checkpoint names.
        got: String,
    },
    /// The text is no log proof.
    #[error("this is no log proof: {0}")]
    Proof(&'static str),
    /// The index does not lie in the tree.
    #[error("index {index} lies outside a tree of {size}")]
    IndexBeyond {
        /// The index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The path has too few or too many hashes.
    #[error("the path has {got} hashes, expected {expected}")]
    PathLength {
        /// As follows from index and size.
        expected: usize,
        /// As given.
        got: usize,
    },
    /// The hashes do not lead to the signed root.
    #[error("the path does not lead to the signed root")]
    RootDiffers,
    /// The batch proof of a receipt is malformed.
    #[error("this is no batch proof: {0}")]
    Batch(&'static str),
    /// The text is no path of a tile.
    #[error("{0:?} is no path of a tile")]
    TilePath(String),
    /// A tile that the tree needs is not there.
    #[error("tile {0} is missing")]
    TileMissing(TilePath),
    /// A tile has the wrong number of bytes.
    #[error("tile {path} has {got} bytes, expected {expected}")]
    TileLength {
        /// Which tile.
        path: TilePath,
        /// As follows from its width.
        expected: usize,
        /// As found.
        got: usize,
    },
    /// The tiles at the log's right edge do not lead to the root that was published.
    #[error("the stored tiles do not lead to the published root; rebuild the tiles from the leaves")]
    Edge,
    /// More leaves wait for the sequencer than may.
    #[error("the log is {0} leaves behind; send the same again in a few seconds")]
    Behind(u64),
    /// A hash or an entry in a tile is not what the tree commits to.
    #[error("tile {path} differs from the tree at its place {place}")]
    Tile {
        /// Which tile.
        path: TilePath,
        /// Which hash or entry in it, from zero.
        place: usize,
    },
}

impl Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Note(_) => "evidence.note",
            Self::Key(_) => "evidence.key",
            Self::Unsigned(_) => "evidence.unsigned",
            Self::Signature(_) => "evidence.signature",
            Self::Checkpoint(_) => "evidence.checkpoint",
            Self::Origin { .. } => "evidence.origin",
            Self::Proof(_) => "evidence.proof",
            Self::IndexBeyond { .. } => "evidence.index",
            Self::PathLength { .. } => "evidence.path",
            Self::RootDiffers => "evidence.root",
            Self::Batch(_) => "evidence.batch",
            Self::TilePath(_) => "evidence.tile_path",
            Self::TileMissing(_) => "evidence.tile_missing",
            Self::TileLength { .. } => "evidence.tile_length",
            Self::Edge => "evidence.edge",
            Self::Behind(_) => "evidence.behind",
            Self::Tile { .. } => "evidence.tile",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Note(what) => format!("不是合规的签名文本（signed note）：{what}"),
            Self::Key(what) => format!("不是合规的验证公钥：{what}"),
            Self::Unsigned(known) => format!("没有已知公钥的签名；已知：{known}"),
            Self::Signature(name) => format!("{name} 的签名与文本不符，内容已被改动或公钥有误"),
            Self::Checkpoint(what) => format!("不是合规的日志检查点：{what}"),
            Self::Origin { expected, got } => format!("检查点属于日志 {got}，应为 {expected}"),
            Self::Proof(what) => format!("不是合规的日志证明：{what}"),
            Self::IndexBeyond { index, size } => format!("序号 {index} 不在长度为 {size} 的日志之内"),
            Self::PathLength { expected, got } => format!("证明路径有 {got} 个哈希，应为 {expected} 个"),
            Self::RootDiffers => "证明路径算不出已签名的根，内容或证明已被改动".to_owned(),
            Self::Batch(what) => format!("不是合规的批次证明：{what}"),
            Self::TilePath(path) => format!("“{path}”不是日志分块的路径"),
            Self::TileMissing(path) => format!("缺少日志分块 {path}，请重建分块"),
            Self::TileLength { path, expected, got } => format!("日志分块 {path} 有 {got} 字节，应为 {expected} 字节"),
            Self::Edge => "已存的日志分块算不出已发布的根；请由叶子重建分块".to_owned(),
            Self::Behind(leaves) => format!("存证日志尚有 {leaves} 条待编号；请几秒后重发同一请求"),
            Self::Tile { path, place } => format!("日志分块 {path} 第 {place} 项与日志不符，已被改动；请重建分块"),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::TilePath(_) | Fault::TileMissing(_) => Kind::Missing,
            Fault::Behind(_) => Kind::Unavailable,
            _ => Kind::Unprocessable,
        };
        Self::new(kind, fault.code(), fault.zh(), fault.to_string())
    }
}
