//! The federation of a world: one founder, a genesis, and the entries it has signed.

use federation::{Change, Entry, EntryBody, Format, Founder, Founders, Genesis, Travel, VERSION};
use signing::SigningKey;
use vocabulary::{Bilingual, Digest, FederationName, Suite, Timestamp};

/// A member acts on a view of at most this age.
const VIEW_HOURS: u32 = 168;

/// A federation by its one founder's hand.
pub struct Founding {
    key: SigningKey,
    /// How it began.
    pub genesis: Genesis,
    /// What was signed since.
    pub entries: Vec<Entry>,
}

impl Founding {
    /// Founds it.
    pub fn new(name: &FederationName, at: Timestamp) -> Self {
        let key = SigningKey::from_seed(Suite::default(), &[7; 32]);
        let founder = Founder { title: Bilingual::new("创始成员", "founder"), key: key.public() };
        let genesis = Genesis {
            format: Format::Genesis,
            version: VERSION,
            federation: name.clone(),
            title: Bilingual::new("江苏省一体化大数据体系", "Integrated big-data system of Jiangsu"),
            suite: Suite::default(),
            founded_at: at,
            founders: Founders { keys: vec![founder], quorum: 1 },
            travel: Travel::Direct,
            view_hours_max: VIEW_HOURS,
        };
        Self { key, genesis, entries: Vec::new() }
    }

    /// What a member pins.
    pub fn digest(&self) -> Digest {
        self.genesis.digest().unwrap()
    }

    /// Signs the next entry.
    pub fn enter(&mut self, change: Change, at: Timestamp) -> Entry {
        let previous = self.entries.last().map_or_else(|| self.digest(), |it| it.body.digest().unwrap());
        let body = EntryBody {
            format: Format::Entry,
            version: VERSION,
            federation: self.genesis.federation.clone(),
            number: u32::try_from(self.entries.len()).unwrap() + 1,
            previous,
            at,
            change,
        };
        let signature = body.sign(&self.key).unwrap();
        let entry = Entry::new(body, vec![signature]);
        self.entries.push(entry.clone());
        entry
    }
}
