//! Facets: how many of the entries found have which value. Counted without scores, from columns.

use super::index::{COLUMNS, Fields, Packed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tantivy::{
    DocId, Score, SegmentOrdinal, SegmentReader, TantivyError,
    collector::{Collector, SegmentCollector},
    columnar::{Column, StrColumn},
};

/// A facet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Facet {
    /// The member whose node keeps it.
    Organisation,
    /// 提供方, in Chinese.
    Provider,
    /// 主题.
    Theme,
    /// 分类.
    Class,
    /// 分级.
    Grade,
    /// 共享类型.
    Share,
    /// 更新周期.
    Cycle,
    /// 开放属性: `open` or `closed`.
    Open,
    /// 格式.
    Format,
}

/// Counts of each facet's values, the most frequent first.
pub type Counts = BTreeMap<Facet, Vec<(String, u64)>>;

/// Collects [`Counts`] and the total.
pub(crate) struct Tally;

pub(crate) struct SegmentTally {
    packed: Column<u64>,
    texts: Vec<(Facet, Option<StrColumn>, Vec<u64>)>,
    small: Vec<u64>,
    total: u64,
}

/// What one segment has.
#[derive(Default)]
pub(crate) struct Tallied {
    pub(crate) total: u64,
    pub(crate) counts: BTreeMap<(Facet, String), u64>,
}

impl Collector for Tally {
    type Fruit = Tallied;
    type Child = SegmentTally;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentTally> {
        let columns = segment.fast_fields();
        let texts = COLUMNS.iter().map(|(facet, name)| {
            let column = columns.str(name)?;
            let size = column.as_ref().map_or(0, |it| it.num_terms());
            Ok((*facet, column, vec![0; size]))
        });
        Ok(SegmentTally {
            packed: columns.u64(Fields::PACKED)?,
            texts: texts.collect::<tantivy::Result<_>>()?,
            small: vec![0; Packed::VALUES],
            total: 0,
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Result<Tallied, TantivyError>>) -> tantivy::Result<Tallied> {
        let mut sum = Tallied::default();
        for segment in segments {
            let segment = segment?;
            sum.total += segment.total;
            for (value, count) in segment.counts {
                *sum.counts.entry(value).or_default() += count;
            }
        }
        Ok(sum)
    }
}

impl SegmentCollector for SegmentTally {
    type Fruit = Result<Tallied, TantivyError>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.total += 1;
        if let Some(packed) = self.packed.first(doc) {
            Packed(packed).each(|value| self.small[value] += 1);
        }
        for (_, column, counts) in &mut self.texts {
            let ord = column.as_ref().and_then(|it| it.ords().first(doc));
            if let Some(count) = ord.and_then(|it| usize::try_from(it).ok()).and_then(|it| counts.get_mut(it)) {
                *count += 1;
            }
        }
    }

    fn harvest(self) -> Result<Tallied, TantivyError> {
        let mut counts = BTreeMap::new();
        for (at, count) in self.small.iter().enumerate().filter(|(_, it)| **it > 0) {
            if let Some((facet, word)) = Packed::value(at) {
                *counts.entry((facet, word.to_owned())).or_default() += count;
            }
        }
        let mut word = String::new();
        for (facet, column, values) in &self.texts {
            let Some(column) = column else { continue };
            for (ord, count) in (0_u64..).zip(values).filter(|(_, it)| **it > 0) {
                column.ord_to_str(ord, &mut word)?;
                *counts.entry((*facet, word.clone())).or_default() += count;
            }
        }
        Ok(Tallied { total: self.total, counts })
    }
}

impl Tallied {
    /// The counts by facet, the most frequent first, at most `limit` of each.
    pub(crate) fn by_facet(self, limit: usize) -> Counts {
        let mut facets = Counts::new();
        for ((facet, word), count) in self.counts {
            facets.entry(facet).or_default().push((word, count));
        }
        for values in facets.values_mut() {
            values.sort_by(|(one, many), (other, more)| more.cmp(many).then_with(|| one.cmp(other)));
            values.truncate(limit);
        }
        facets
    }
}
