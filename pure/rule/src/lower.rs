//! From `cel`'s tree to the typed tree: what the subset knows, each with its types; all the rest is a finding.
//!
//! Recursion is bounded: `scan` bounded the depth of the source, and with it that of the tree.

use crate::finding::{Finding, Place, Said};
use crate::refuse::refusal;
use crate::rule::{Node, Operand, TextTest};
use crate::{By, Constant, LIST_MAX, RULE_TESTS_MAX, Scope, constant, kind};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use schema::{FieldName, FieldType};

pub(crate) struct Lowering<'a> {
    scope: &'a Scope<'a>,
    info: &'a SourceInfo,
    source: &'a str,
    tests: usize,
    pub findings: Vec<Finding>,
}

impl<'a> Lowering<'a> {
    pub fn new(source: &'a str, info: &'a SourceInfo, scope: &'a Scope<'a>) -> Self {
        Self { scope, info, source, tests: 0, findings: Vec::new() }
    }

    /// The whole source.
    pub fn rule(&mut self, tree: &IdedExpr) -> Option<Node> {
        let root = self.condition(tree);
        if self.tests > RULE_TESTS_MAX {
            let (zh, en) = (
                format!("共 {} 个判断，超过上限 {RULE_TESTS_MAX}", self.tests),
                format!("{} tests, more than {RULE_TESTS_MAX}", self.tests),
            );
            let remedy = ("请用 in [...] 合并，或拆成几条", "join some with in [...], or split the rule");
            self.findings.push(Finding::new(Place::START, "rule.too_large", (&zh, &en), remedy));
        }
        root
    }

    /// An expression that holds or does not hold.
    fn condition(&mut self, expr: &IdedExpr) -> Option<Node> {
        match &expr.expr {
            Expr::Literal(LiteralValue::Boolean(it)) => {
                Some(if *it.inner() { Node::All(Vec::new()) } else { Node::Any(Vec::new()) })
            }
            Expr::Call(call) => self.call(expr, call),
            Expr::Select(_) | Expr::Ident(_) | Expr::Literal(_) => self.bare(expr),
            _ => self.refused(expr),
        }
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Node> {
        let by = match call.func_name.as_str() {
            operators::EQUALS => Some(By::Eq),
            operators::NOT_EQUALS => Some(By::Ne),
            operators::LESS => Some(By::Lt),
            operators::LESS_EQUALS => Some(By::Le),
            operators::GREATER => Some(By::Gt),
            operators::GREATER_EQUALS => Some(By::Ge),
            _ => None,
        };
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (_, None, [left, right]) if by.is_some() => self.compare(expr, by?, left, right),
            (operators::LOGICAL_AND, None, parts) => Some(Node::All(self.conditions(parts)?)),
            (operators::LOGICAL_OR, None, parts) => Some(Node::Any(self.conditions(parts)?)),
            (operators::LOGICAL_NOT, None, [part]) => Some(Node::Not(Box::new(self.condition(part)?))),
            (operators::IN, None, [left, list]) => self.membership(expr, left, list),
            ("has", None, [field]) => self.has(field),
            ("startsWith", Some(text), [needle]) => self.text(text, TextTest::Starts, needle),
            ("endsWith", Some(text), [needle]) => self.text(text, TextTest::Ends, needle),
            ("contains", Some(text), [needle]) => self.text(text, TextTest::Contains, needle),
            ("under", Some(left), [above]) => self.under(left, above),
            _ => self.refused(expr),
        }
    }

    fn conditions(&mut self, parts: &[IdedExpr]) -> Option<Vec<Node>> {
        // All of them are looked at before the first failure counts: every finding at once.
        let nodes: Vec<_> = parts.iter().map(|it| self.condition(it)).collect();
        nodes.into_iter().collect()
    }

    /// `row.flag` standing alone.
    fn bare(&mut self, expr: &IdedExpr) -> Option<Node> {
        let operand = self.operand(expr)?;
        let of = operand.kind();
        if of != FieldType::Boolean {
            let (zh, en) = kind::name(&of);
            let fact =
                (format!("这里需要条件，却是{zh}"), format!("a condition is wanted here, not a value of type {en}"));
            let example = kind::literal(&of);
            let remedy = (format!("请比较，例如 … == {example}"), format!("compare it, as in … == {example}"));
            self.report(expr, "rule.no_condition", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
            return None;
        }
        self.tests += 1;
        Some(Node::Compare { left: operand, by: By::Eq, right: Operand::Literal(Constant::Boolean(true)) })
    }

    /// `has(row.field)`: it is not null.
    fn has(&mut self, field: &IdedExpr) -> Option<Node> {
        self.tests += 1;
        Some(Node::Not(Box::new(Node::Null(self.reference(field)?))))
    }

    fn compare(&mut self, expr: &IdedExpr, by: By, left: &IdedExpr, right: &IdedExpr) -> Option<Node> {
        self.tests += 1;
        match (is_null(left), is_null(right)) {
            (false, false) => {}
            (true, true) => return self.constant(expr),
            (_, right_is_null) => return self.null_test(expr, by, if right_is_null { left } else { right }),
        }
        let (one, two) = (self.operand(left), self.operand(right));
        let (one, two) = (one?, two?);
        if let (Operand::Literal(_), Operand::Literal(_)) = (&one, &two) {
            return self.constant(expr);
        }
        self.alike(expr, &one, &two)?;
        // Alike types have the same comparisons: whatever meets text is text.
        if !kind::allows(&one.kind(), by) {
            let (zh, en) = kind::name(&one.kind());
            let fact = (format!("{zh}没有大小之分"), format!("values of type {en} are not ordered"));
            let remedy = ("只能用 ==、!= 或 in", "use ==, != or in");
            self.report(expr, "rule.order", (&fact.0, &fact.1), remedy);
            return None;
        }
        Some(Node::Compare { left: one, by, right: two })
    }

    fn null_test(&mut self, expr: &IdedExpr, by: By, other: &IdedExpr) -> Option<Node> {
        let operand = self.operand(other);
        if !matches!(by, By::Eq | By::Ne) {
            let fact = ("null 没有大小之分", "null is not ordered");
            self.report(expr, "rule.null", fact, ("只能写 == null 或 != null", "write == null or != null"));
            return None;
        }
        match operand? {
            Operand::Literal(_) => self.constant(expr),
            it if by == By::Eq => Some(Node::Null(it)),
            it => Some(Node::Not(Box::new(Node::Null(it)))),
        }
    }

    fn constant(&mut self, expr: &IdedExpr) -> Option<Node> {
        let fact = ("两边都是常量", "both sides are constants");
        self.report(
            expr,
            "rule.constant",
            fact,
            ("请写 true 或 false，或比较一个字段", "write true or false, or compare a field"),
        );
        None
    }

    fn membership(&mut self, expr: &IdedExpr, left: &IdedExpr, list: &IdedExpr) -> Option<Node> {
        self.tests += 1;
        let operand = self.operand(left);
        let Expr::List(elements) = &list.expr else {
            let fact = ("in 之后需要列表", "a list is wanted after in");
            self.report(list, "rule.list", fact, ("请写 in [\"…\", \"…\"]", "write in [\"…\", \"…\"]"));
            return None;
        };
        let elements = &elements.elements;
        if elements.len() > LIST_MAX {
            let fact = (format!("列表有 {} 项", elements.len()), format!("the list has {} elements", elements.len()));
            let remedy = (format!("至多 {LIST_MAX} 项"), format!("at most {LIST_MAX} elements"));
            self.report(list, "rule.too_large", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
            return None;
        }
        let found: Vec<_> = elements.iter().map(|it| self.element(it, operand.as_ref())).collect();
        let (list, left) = (found.into_iter().collect::<Option<Vec<_>>>()?, operand?);
        if let Operand::Literal(_) = left {
            let fact = ("in 之前不是字段", "there is no field before in");
            self.report(expr, "rule.constant", fact, ("请写 row.字段 in [...]", "write row.FIELD in [...]"));
            return None;
        }
        Some(Node::In { left, list })
    }

    fn element(&mut self, expr: &IdedExpr, left: Option<&Operand>) -> Option<Operand> {
        if is_null(expr) {
            let remedy = ("请另写 || row.字段 == null", "write || row.FIELD == null beside it");
            self.report(
                expr,
                "rule.null",
                ("null 不等于任何值，也不在列表中", "null equals nothing and is in no list"),
                remedy,
            );
            return None;
        }
        let operand = self.operand(expr)?;
        if let Operand::Field(name, _) = &operand {
            let fact = (format!("列表中有字段 {name}"), format!("field {name} stands in a list"));
            let remedy = ("请用 == 与 || 比较字段", "compare fields with == and ||");
            self.report(expr, "rule.list", (&fact.0, &fact.1), remedy);
            return None;
        }
        if let Some(left) = left {
            self.alike(expr, left, &operand)?;
        }
        Some(operand)
    }

    fn text(&mut self, text: &IdedExpr, how: TextTest, needle: &IdedExpr) -> Option<Node> {
        self.tests += 1;
        let (left, part) = (self.textual(text), self.textual(needle));
        let (left, part) = (left?, part?);
        if let Operand::Literal(_) = left {
            return self.constant(text);
        }
        if let Operand::Field(name, _) = &part {
            let fact = (format!("字段 {name} 不能作查找内容"), format!("field {name} cannot be looked for"));
            self.report(needle, "rule.needle", (&fact.0, &fact.1), ("请写文本或 ask.…", "write a text or ask.…"));
            return None;
        }
        Some(Node::Text { left, how, needle: part })
    }

    fn textual(&mut self, expr: &IdedExpr) -> Option<Operand> {
        let operand = self.operand(expr)?;
        if !operand.kind().is_text() {
            let (zh, en) = kind::name(&operand.kind());
            let fact = (format!("这里需要文本，却是{zh}"), format!("text is wanted here, not a value of type {en}"));
            let remedy = ("请写 \"…\" 或文本字段", "write \"…\" or a text field");
            self.report(expr, "rule.types", (&fact.0, &fact.1), remedy);
            return None;
        }
        Some(operand)
    }

    fn under(&mut self, left: &IdedExpr, above: &IdedExpr) -> Option<Node> {
        self.tests += 1;
        let (one, two) = (self.division(left), self.division(above));
        let (one, two) = (one?, two?);
        if let Operand::Literal(_) = one {
            return self.constant(left);
        }
        if let Operand::Field(name, _) = &two {
            let fact = (format!("字段 {name} 不能作上级区划"), format!("field {name} cannot be the division above"));
            let remedy = ("请写 \"3201\" 或 ask.…", "write \"3201\" or ask.…");
            self.report(above, "rule.needle", (&fact.0, &fact.1), remedy);
            return None;
        }
        Some(Node::Under { left: one, above: two })
    }

    fn division(&mut self, expr: &IdedExpr) -> Option<Operand> {
        let operand = self.operand(expr)?;
        let remedy = ("请写 \"3201\" 或行政区划字段", "write \"3201\" or a division field");
        match &operand {
            Operand::Literal(Constant::Text(code)) => {
                if crate::bind::division(code).is_none() {
                    let fact = (format!("“{code}”不是行政区划代码"), format!("{code:?} is no division code"));
                    self.report(
                        expr,
                        "rule.division",
                        (&fact.0, &fact.1),
                        ("请写 2、4、6、9 或 12 位数字", "write 2, 4, 6, 9 or 12 digits"),
                    );
                    return None;
                }
            }
            it if it.kind() == FieldType::Division => {}
            it => {
                let (zh, en) = kind::name(&it.kind());
                let fact = (
                    format!("under 需要行政区划，却是{zh}"),
                    format!("under wants divisions, not a value of type {en}"),
                );
                self.report(expr, "rule.types", (&fact.0, &fact.1), remedy);
                return None;
            }
        }
        Some(operand)
    }

    /// Checks that two operands may be compared.
    fn alike(&mut self, expr: &IdedExpr, one: &Operand, two: &Operand) -> Option<()> {
        let (left, right) = (one.kind(), two.kind());
        let fields = matches!((one, two), (Operand::Field(..), Operand::Field(..)));
        let alike = if fields { kind::alike_stored(&left, &right) } else { kind::alike(&left, &right) };
        if !alike {
            let ((left_zh, left_en), (right_zh, right_en)) = (kind::name(&left), kind::name(&right));
            let fact =
                (format!("{left_zh}与{right_zh}不能比较"), format!("{left_en} and {right_en} cannot be compared"));
            let wanted = kind::literal(if let Operand::Literal(_) = one { &right } else { &left });
            let remedy = if fields && left_zh == right_zh {
                (
                    "两个字段须用同一代码表或同样的小数位数".to_owned(),
                    "both fields need the same code list or scale".to_owned(),
                )
            } else {
                (format!("请写成 {wanted} 这样的值"), format!("write a value like {wanted}"))
            };
            self.report(expr, "rule.types", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
            return None;
        }
        self.scales(expr, one, two)
    }

    /// A literal with more digits behind the point than its field can never be equal to it: most likely a slip.
    fn scales(&mut self, expr: &IdedExpr, one: &Operand, two: &Operand) -> Option<()> {
        let ((Operand::Literal(Constant::Decimal { scale, .. }), other)
        | (other, Operand::Literal(Constant::Decimal { scale, .. }))) = (one, two)
        else {
            return Some(());
        };
        match other.kind() {
            FieldType::Decimal { scale: of, .. } if *scale > of => {
                let fact = (
                    format!("常量有 {scale} 位小数，字段只有 {of} 位"),
                    format!("{scale} digits behind the point, but the field has {of}"),
                );
                let remedy = (format!("请写至多 {of} 位小数"), format!("write at most {of}"));
                self.report(expr, "rule.scale", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
                None
            }
            _ => Some(()),
        }
    }

    /// An expression that is a value.
    fn operand(&mut self, expr: &IdedExpr) -> Option<Operand> {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(_) | Expr::Select(_) => self.reference(expr),
            Expr::Call(call) if call.target.is_none() => match (call.func_name.as_str(), call.args.as_slice()) {
                (name @ ("date" | "timestamp" | "decimal" | "money"), [argument]) => self.made(name, argument),
                _ => self.refused(expr),
            },
            _ => self.refused(expr),
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Option<Operand> {
        let constant = match literal {
            LiteralValue::Boolean(it) => Constant::Boolean(*it.inner()),
            LiteralValue::Int(it) => Constant::Integer(*it.inner()),
            LiteralValue::String(it) => match Constant::text(it.inner()) {
                Some(it) => it,
                None => {
                    let fact = ("文本中有 U+0000", "the text has U+0000 in it");
                    self.report(expr, "rule.character", fact, ("请删去", "remove it"));
                    return None;
                }
            },
            _ => return self.refused(expr),
        };
        Some(Operand::Literal(constant))
    }

    /// `date("…")` and its like.
    fn made(&mut self, name: &str, argument: &IdedExpr) -> Option<Operand> {
        let (of, text) = match (name, &argument.expr) {
            ("date", Expr::Literal(LiteralValue::String(it))) => (FieldType::Date, it.inner()),
            ("timestamp", Expr::Literal(LiteralValue::String(it))) => (FieldType::Timestamp, it.inner()),
            ("money", Expr::Literal(LiteralValue::String(it))) => (FieldType::Money, it.inner()),
            ("decimal", Expr::Literal(LiteralValue::String(it))) => {
                (FieldType::Decimal { precision: 18, scale: 0 }, it.inner())
            }
            _ => {
                let fact = (format!("{name}() 需要一个文本常量"), format!("{name}() wants one text in quotes"));
                let remedy = format!("{name}(\"…\")");
                self.report(argument, "rule.literal", (&fact.0, &fact.1), (&remedy, &remedy));
                return None;
            }
        };
        let constant = match of {
            FieldType::Date => constant::day(text).and_then(Constant::date),
            FieldType::Timestamp => text.parse().ok().and_then(Constant::timestamp),
            FieldType::Money => constant::money(text).map(Constant::Money),
            _ => constant::decimal(text).map(|(unscaled, scale)| Constant::Decimal { unscaled, scale }),
        };
        if constant.is_none() {
            let (zh, en) = kind::name(&of);
            let fact = (format!("“{text}”不是{zh}"), format!("{text:?} is no {en}"));
            let example = kind::literal(&of);
            self.report(
                argument,
                "rule.literal",
                (&fact.0, &fact.1),
                (&format!("请写成 {example}"), &format!("write it like {example}")),
            );
        }
        constant.map(Operand::Literal)
    }

    /// `row.FIELD` or `ask.PATH`.
    fn reference(&mut self, expr: &IdedExpr) -> Option<Operand> {
        let Some(path) = path(expr) else { return self.refused(expr) };
        let (fact, remedy, code) = match path.as_slice() {
            ["row", name] => match self.scope.row.fields.get_key_value(*name) {
                Some((name, field)) => return Some(Operand::Field(name.clone(), field.kind.clone())),
                None => {
                    let known = join(self.scope.row.fields.keys().map(FieldName::as_str));
                    let fact = (format!("没有字段 {name}"), format!("there is no field {name}"));
                    (fact, (format!("可用字段：{known}"), format!("fields: {known}")), "rule.unknown_field")
                }
            },
            ["ask", rest @ ..] if !rest.is_empty() => {
                let name = rest.join(".");
                if let Some(of) = self.scope.ask.get(&name) {
                    return Some(Operand::Ask(name, of.clone()));
                }
                let known = join(self.scope.ask.paths());
                let fact = (format!("没有 ask.{name}"), format!("there is no ask.{name}"));
                (fact, (format!("ask. 之后可用：{known}"), format!("known after ask.: {known}")), "rule.unknown_ask")
            }
            _ => {
                let name = path.join(".");
                let fact = (format!("不认识 {name}"), format!("{name} is not known"));
                let remedy = (
                    "请写 row.字段 或 ask.…，文本请加引号".to_owned(),
                    "write row.FIELD or ask.…, and text in quotes".to_owned(),
                );
                (fact, remedy, "rule.unknown_name")
            }
        };
        self.report(expr, code, (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        None
    }

    fn refused<T>(&mut self, expr: &IdedExpr) -> Option<T> {
        let (code, fact, remedy) = refusal(expr);
        self.report(expr, code, (&fact.zh, &fact.en), (&remedy.zh, &remedy.en));
        None
    }

    fn report(&mut self, expr: &IdedExpr, code: &'static str, fact: Said<'_>, remedy: Said<'_>) {
        let place = self.place(expr);
        self.findings.push(Finding::new(place, code, fact, remedy));
    }

    /// Where an expression begins: the least offset of its parts, for an operator's own stands in its middle.
    fn place(&self, expr: &IdedExpr) -> Place {
        // `cel` counts bytes; people count characters.
        let before = usize::try_from(self.start(expr).unwrap_or(0)).ok().and_then(|it| self.source.get(..it));
        before.unwrap_or("").chars().fold(Place::START, Place::after)
    }

    fn start(&self, expr: &IdedExpr) -> Option<u32> {
        let own = self.info.offset_for(expr.id).map(|(start, _)| start);
        let (own, parts): (_, Vec<&IdedExpr>) = match &expr.expr {
            Expr::Call(call) => {
                (self.name_before(own, call), call.target.as_deref().into_iter().chain(&call.args).collect())
            }
            Expr::Select(select) => (own, vec![&*select.operand]),
            _ => (own, Vec::new()),
        };
        parts.into_iter().filter_map(|it| self.start(it)).chain(own).min()
    }

    /// A call is placed at its bracket; people look for its name.
    fn name_before(&self, bracket: Option<u32>, call: &CallExpr) -> Option<u32> {
        let at = bracket?.checked_sub(u32::try_from(call.func_name.len()).ok()?);
        let text = |at: u32| usize::try_from(at).ok().and_then(|it| self.source.get(it..));
        at.filter(|it| text(*it).is_some_and(|it| it.starts_with(&call.func_name))).or(bracket)
    }
}

impl Operand {
    /// Its type; a literal text is plain text.
    pub fn kind(&self) -> FieldType {
        match self {
            Self::Field(_, kind) | Self::Ask(_, kind) => kind.clone(),
            Self::Literal(Constant::Text(_)) => FieldType::Text { max: u32::MAX },
            Self::Literal(Constant::Integer(_)) => FieldType::Integer,
            Self::Literal(Constant::Decimal { scale, .. }) => FieldType::Decimal { precision: 18, scale: *scale },
            Self::Literal(Constant::Money(_)) => FieldType::Money,
            Self::Literal(Constant::Boolean(_)) => FieldType::Boolean,
            Self::Literal(Constant::Date(_)) => FieldType::Date,
            Self::Literal(Constant::Timestamp(_)) => FieldType::Timestamp,
        }
    }
}

fn is_null(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Literal(LiteralValue::Null))
}

fn path(expr: &IdedExpr) -> Option<Vec<&str>> {
    match &expr.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
