//! Binding: a rule and what is known about who asks become a filter without variables. Total: whatever the values are,
//! a filter or a problem comes out.

use crate::rule::{Node, Operand, TextTest};
use crate::{AskValues, By, Constant, FILTER_TESTS_MAX, Filter, Rule, Test, kind};
use schema::{FieldName, FieldType, Value, division};
use std::cmp::Ordering;
use vocabulary::{Kind, Problem, ensure};

/// An operand once `ask.` is known.
enum Term<'a> {
    Field(&'a FieldName, &'a FieldType),
    Known(Constant),
    Null,
}

impl Rule {
    /// The filter that the rule is for who asks so. A null among the values makes its comparisons false.
    ///
    /// # Errors
    /// `rule.ask` when a value is missing or of another type, `rule.too_large` when zones make it so.
    pub fn bind(&self, ask: &AskValues) -> Result<Filter, Problem> {
        let filter = bind(&self.root, ask)?;
        ensure!(
            filter.tests() <= FILTER_TESTS_MAX,
            Problem::new(
                Kind::TooLarge,
                "rule.too_large",
                format!("条件展开后有 {} 个判断，超过上限 {FILTER_TESTS_MAX}；请拆分", filter.tests()),
                format!("the bound rule makes {} tests, more than {FILTER_TESTS_MAX}; split it", filter.tests()),
            )
        );
        Ok(filter)
    }
}

fn bind(node: &Node, ask: &AskValues) -> Result<Filter, Problem> {
    let parts = |nodes: &[Node]| nodes.iter().map(|it| bind(it, ask)).collect::<Result<Vec<_>, _>>();
    Ok(match node {
        Node::All(nodes) => Filter::all(parts(nodes)?),
        Node::Any(nodes) => Filter::any(parts(nodes)?),
        Node::Not(node) => bind(node, ask)?.not(),
        Node::Null(operand) => match term(operand, ask)? {
            Term::Field(field, _) => Filter::test(Test::Null { field: field.clone() }),
            Term::Known(_) => Filter::never(),
            Term::Null => Filter::always(),
        },
        Node::Compare { left, by, right } => compare(&term(left, ask)?, *by, &term(right, ask)?),
        Node::In { left, list } => {
            let left = term(left, ask)?;
            let list = list.iter().map(|it| term(it, ask)).collect::<Result<Vec<_>, _>>()?;
            member(&left, &list)
        }
        Node::Text { left, how, needle } => text(&term(left, ask)?, *how, &term(needle, ask)?),
        Node::Under { left, above } => under(&term(left, ask)?, &term(above, ask)?, ask),
    })
}

fn term<'a>(operand: &'a Operand, ask: &AskValues) -> Result<Term<'a>, Problem> {
    match operand {
        Operand::Field(name, kind) => Ok(Term::Field(name, kind)),
        Operand::Literal(constant) => Ok(Term::Known(constant.clone())),
        Operand::Ask(path, kind) => {
            let (zh, en) = kind::name(kind);
            let problem = || {
                Problem::new(
                    Kind::Unprocessable,
                    "rule.ask",
                    format!("ask.{path} 缺失或不是{zh}；请在绑定前给出（可为空值）"),
                    format!("ask.{path} is missing or not of type {en}; give it before binding (it may be null)"),
                )
                .field(format!("/{}", path.replace('.', "/")))
            };
            let value: &Value = ask.get(path).ok_or_else(problem)?;
            let constant = Constant::of(kind, value).map_err(|_| problem())?;
            Ok(constant.map_or(Term::Null, Term::Known))
        }
    }
}

fn decided(holds: bool) -> Filter {
    if holds { Filter::always() } else { Filter::never() }
}

fn compare(left: &Term<'_>, by: By, right: &Term<'_>) -> Filter {
    match (left, right) {
        (Term::Null, _) | (_, Term::Null) => Filter::never(),
        (Term::Known(one), Term::Known(two)) => decided(order(one, two).is_some_and(|it| by.holds(it))),
        (Term::Field(field, _), Term::Field(other, _)) => {
            Filter::test(Test::Fields { field: (*field).clone(), by, other: (*other).clone() })
        }
        (Term::Field(field, kind), Term::Known(value)) => against(field, kind, by, value),
        (Term::Known(value), Term::Field(field, kind)) => against(field, kind, by.flipped(), value),
    }
}

/// A field against a constant. A decimal is brought to the field's scale: between two steps of the field, `<` means
/// `<=` the lower one; a number out of reach is above or below whatever is there.
fn against(field: &FieldName, kind: &FieldType, by: By, value: &Constant) -> Filter {
    let (FieldType::Decimal { scale, .. }, Constant::Decimal { unscaled, scale: from }) = (kind, value) else {
        return Filter::test(Test::Compare { field: field.clone(), by, value: value.clone() });
    };
    let factor = |digits: u8| 10_i128.pow(u32::from(digits));
    let exact = i128::from(*unscaled) * factor(scale.saturating_sub(*from));
    let divisor = factor(from.saturating_sub(*scale));
    let (floor, between) = (exact.div_euclid(divisor), exact.rem_euclid(divisor) != 0);
    let there = || Filter::test(Test::Null { field: field.clone() }).not();
    let Ok(unscaled) = i64::try_from(floor) else {
        let below = if floor.is_positive() { Ordering::Less } else { Ordering::Greater };
        return if by.holds(below) { there() } else { Filter::never() };
    };
    let by = match by {
        By::Eq if between => return Filter::never(),
        By::Ne if between => return there(),
        By::Lt if between => By::Le,
        By::Ge if between => By::Gt,
        by => by,
    };
    Filter::test(Test::Compare { field: field.clone(), by, value: Constant::Decimal { unscaled, scale: *scale } })
}

fn member(left: &Term<'_>, list: &[Term<'_>]) -> Filter {
    let (field, kind) = match left {
        Term::Null => return Filter::never(),
        Term::Known(_) => return Filter::any(list.iter().map(|it| compare(left, By::Eq, it))),
        Term::Field(field, kind) => (*field, *kind),
    };
    // Through `against`, so that decimals come to the field's scale; those that cannot be equal fall away.
    let equal = list.iter().filter_map(|it| match it {
        Term::Known(value) => match against(field, kind, By::Eq, value) {
            Filter::Is(Test::Compare { value, .. }) => Some(value),
            _ => None,
        },
        Term::Field(..) | Term::Null => None,
    });
    Filter::test(Test::In { field: field.clone(), values: equal.collect() })
}

fn text(left: &Term<'_>, how: TextTest, needle: &Term<'_>) -> Filter {
    let Term::Known(Constant::Text(needle)) = needle else { return Filter::never() };
    match left {
        Term::Field(field, _) => {
            let (field, text) = ((*field).clone(), needle.clone());
            Filter::test(match how {
                TextTest::Starts => Test::StartsWith { field, text },
                TextTest::Ends => Test::EndsWith { field, text },
                TextTest::Contains => Test::Contains { field, text },
            })
        }
        Term::Known(Constant::Text(text)) => decided(match how {
            TextTest::Starts => text.starts_with(needle.as_str()),
            TextTest::Ends => text.ends_with(needle.as_str()),
            TextTest::Contains => text.contains(needle.as_str()),
        }),
        Term::Known(_) | Term::Null => Filter::never(),
    }
}

/// A division code as it may stand after `under`; the empty text would be above everything.
pub(crate) fn division(code: &str) -> Option<&str> {
    division::check(code).is_ok().then_some(code)
}

fn under(left: &Term<'_>, above: &Term<'_>, ask: &AskValues) -> Filter {
    let Term::Known(Constant::Text(above)) = above else { return Filter::never() };
    let Some(above) = division(above) else { return Filter::never() };
    let prefixes = ask.zones.prefixes(above);
    match left {
        Term::Field(field, _) => Filter::any(
            prefixes.into_iter().map(|text| Filter::test(Test::StartsWith { field: (*field).clone(), text })),
        ),
        Term::Known(Constant::Text(code)) => decided(prefixes.iter().any(|it| code.starts_with(it.as_str()))),
        Term::Known(_) | Term::Null => Filter::never(),
    }
}

/// The order of two constants of one type; decimals by their value, whatever their scales.
fn order(one: &Constant, two: &Constant) -> Option<Ordering> {
    match (one, two) {
        (Constant::Decimal { unscaled: a, scale: p }, Constant::Decimal { unscaled: b, scale: q }) => {
            let common = (*p).max(*q);
            let at = |unscaled: i64, scale: u8| i128::from(unscaled) * 10_i128.pow(u32::from(common - scale));
            Some(at(*a, *p).cmp(&at(*b, *q)))
        }
        (one, two) => (std::mem::discriminant(one) == std::mem::discriminant(two)).then(|| one.cmp(two)),
    }
}
