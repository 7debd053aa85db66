//! `ensure!(condition, refusal);` as the `match` that it means.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::Range;

/// A guard in a text, by bytes.
struct Guard {
    whole: Range<usize>,
    condition: Range<usize>,
    refusal: Range<usize>,
}

/// `text` with its guards written out, on the lines where they were. What is no Rust, or defines a macro, stays.
pub fn written_out(text: &str) -> String {
    let Ok(tokens) = text.parse::<TokenStream>() else { return text.to_owned() };
    let mut guards = Vec::new();
    collect(tokens, &mut guards);
    let mut made = String::new();
    let mut at = 0;
    for Guard { whole, condition, refusal } in guards {
        let (condition, refusal) = (&text[condition], text[refusal].trim_end().trim_end_matches(','));
        made += &text[at..whole.start];
        made += &format!("match () {{ () if !({condition}) => return Err(({refusal}).into()), () => {{}} }}");
        at = whole.end;
    }
    made + &text[at..]
}

fn collect(tokens: TokenStream, found: &mut Vec<Guard>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        let TokenTree::Group(group) = tree else { continue };
        match at.checked_sub(2).map(|it| (&trees[it], &trees[it + 1])) {
            Some((TokenTree::Ident(word), TokenTree::Punct(_)))
                if word == "ensure" && group.delimiter() == Delimiter::Parenthesis =>
            {
                found.extend(guard(&trees[..at - 1], group));
            }
            Some((TokenTree::Punct(bang), TokenTree::Ident(_))) if bang.as_char() == '!' => {}
            _ => collect(group.stream(), found),
        }
    }
}

/// The guard of `ensure!` and `group`; `before` ends with the word, and with the path that leads to it.
fn guard(before: &[TokenTree], group: &Group) -> Option<Guard> {
    let path = before.iter().rev().take_while(|it| match it {
        TokenTree::Punct(it) => it.as_char() == ':',
        TokenTree::Ident(it) => it == "ensure" || it == "crate" || it == "vocabulary",
        _ => false,
    });
    let start = path.last()?.span().byte_range().start;
    let comma = group.stream().into_iter().find(|it| matches!(it, TokenTree::Punct(it) if it.as_char() == ','))?;
    let (open, close) = (group.span_open().byte_range(), group.span_close().byte_range());
    let comma = comma.span().byte_range();
    Some(Guard { whole: start..close.end, condition: open.end..comma.start, refusal: comma.end..close.start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_becomes_the_match_that_it_means() {
        let text = r#"fn f(a: &[u8]) -> Result<(), 错> {
    crate::ensure!(
        a.iter().all(|it, _| g(it, 1)), 错("，"),
    );
    ensure!(x, y);
}"#;
        let made = r#"fn f(a: &[u8]) -> Result<(), 错> {
    match () { () if !(
        a.iter().all(|it, _| g(it, 1))) => return Err(( 错("，")).into()), () => {} };
    match () { () if !(x) => return Err(( y).into()), () => {} };
}"#;
        assert_eq!(written_out(text), made);
        let definition = "macro_rules! m { () => { $crate::ensure!(a, b) } }";
        assert_eq!(written_out(definition), definition);
        assert_eq!(written_out("no ) Rust"), "no ) Rust");
    }
}
