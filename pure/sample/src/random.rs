//! A small generator of our own, so that a seed gives the same bytes for ever, whatever library versions come.

/// xoshiro256**, seeded by SplitMix64 (Blackman and Vigna, public domain).
pub(crate) struct Random([u64; 4]);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut split = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut it = state;
            it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            it ^ (it >> 31)
        };
        Self([split(), split(), split(), split()])
    }

    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`. The bias of at most bound/2^64 does not matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A position in a list of that length.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// Whether one of `thousandth` of a thousand chances came.
    pub fn chance(&mut self, thousandth: u64) -> bool {
        self.below(1_000) < thousandth
    }

    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.index(list.len())]
    }
}

/// Draws positions by weight.
pub(crate) struct Weights(Vec<u64>);

impl Weights {
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let sums = weights.into_iter().scan(0, |sum, it| {
            *sum += it;
            Some(*sum)
        });
        Self(sums.collect())
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let all = self.0.last().copied().unwrap_or(0);
        let at = random.below(all);
        self.0.partition_point(|it| *it <= at)
    }
}
