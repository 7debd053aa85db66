//! What the subset refuses, and what to write instead.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use vocabulary::Bilingual;

/// Code, fact and remedy for an expression that has no place where it stands.
pub(crate) fn refusal(expr: &IdedExpr) -> (&'static str, Bilingual, Bilingual) {
    let (code, (fact_zh, fact_en), (zh, en)) = match &expr.expr {
        Expr::Call(call) => return refused_call(call),
        Expr::Literal(LiteralValue::Double(_)) => (
            "rule.float",
            ("不支持浮点数", "floating point numbers are refused"),
            ("请写 decimal(\"1.50\")", "write decimal(\"1.50\")"),
        ),
        Expr::Literal(LiteralValue::UInt(_)) => (
            "rule.unsigned",
            ("不支持无符号整数", "unsigned numbers are refused"),
            ("请删去末尾的 u", "remove the u at its end"),
        ),
        Expr::Literal(LiteralValue::Null) => (
            "rule.null",
            ("null 只能出现在 == 或 != 的一边", "null may only stand at a side of == or !="),
            ("请写 row.字段 == null", "write row.FIELD == null"),
        ),
        Expr::List(_) => (
            "rule.list",
            ("列表只能出现在 in 之后", "a list may only stand after in"),
            ("请写 row.字段 in [...]", "write row.FIELD in [...]"),
        ),
        _ => (
            "rule.unsupported",
            ("不支持映射、结构体或这种取值", "maps, structures and such access are refused"),
            ("请写 row.字段 或 ask.…", "write row.FIELD or ask.…"),
        ),
    };
    (code, Bilingual::new(fact_zh, fact_en), Bilingual::new(zh, en))
}

type Refusal = (&'static str, (&'static str, &'static str), (&'static str, &'static str));

const MACRO: Refusal = (
    "rule.macro",
    ("不支持 all、exists、map、filter 等宏", "macros like all, exists, map and filter are refused"),
    ("请用 && 和 || 写出来", "write it out with && and ||"),
);

const CONDITION: Refusal = (
    "rule.condition_as_value",
    ("条件不能当作值来比较", "a condition cannot be compared like a value"),
    ("请用 &&、|| 和 ! 组合条件", "combine conditions with &&, || and !"),
);

fn refused_call(call: &CallExpr) -> (&'static str, Bilingual, Bilingual) {
    let name = call.func_name.as_str();
    let told = match name {
        operators::ADD
        | operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => (
            "rule.arithmetic",
            ("不支持算术运算", "arithmetic is refused"),
            ("请先算出常量，或把结果作为字段登记", "work the constant out, or record the result as a field"),
        ),
        operators::CONDITIONAL => (
            "rule.ternary",
            ("不支持 ?:", "?: is refused"),
            ("请写 (a && b) || (!a && c)", "write (a && b) || (!a && c)"),
        ),
        operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => {
            ("rule.index", ("不支持下标", "indexing is refused"), ("请写 row.字段", "write row.FIELD"))
        }
        "matches" => (
            "rule.regex",
            ("不支持正则表达式", "regular expressions are refused"),
            ("请用 startsWith、endsWith、contains 或 in", "use startsWith, endsWith, contains or in"),
        ),
        "all" | "exists" | "exists_one" | "map" | "filter" => MACRO,
        "has" if call.args.len() == 1 && call.target.is_none() => CONDITION,
        "has" => (
            "rule.has",
            ("has() 需要一个字段", "has() wants one field"),
            ("请写 has(row.字段)", "write has(row.FIELD)"),
        ),
        "date" | "timestamp" | "decimal" | "money" => (
            "rule.literal",
            ("这里不能用这个常量，或参数个数不对", "this constant has no place here, or not one argument"),
            ("请写 row.字段 == date(\"2026-01-01\")", "write row.FIELD == date(\"2026-01-01\")"),
        ),
        "startsWith" | "endsWith" | "contains" | "under" => (
            "rule.call",
            ("这里不能这样调用", "this cannot be called so here"),
            ("请写 row.字段.startsWith(\"…\")，并且当作条件", "write row.FIELD.startsWith(\"…\"), as a condition"),
        ),
        operators::EQUALS
        | operators::NOT_EQUALS
        | operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
        | operators::IN
        | operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT => CONDITION,
        _ => {
            let written = if call.target.is_some() { format!(".{name}()") } else { format!("{name}()") };
            let known = "startsWith endsWith contains under has date timestamp decimal money";
            return (
                "rule.unknown_function",
                Bilingual::new(format!("不支持 {written}"), format!("{written} is refused")),
                Bilingual::new(format!("可用：{known}"), format!("known: {known}")),
            );
        }
    };
    let (code, fact, remedy) = told;
    (code, Bilingual::new(fact.0, fact.1), Bilingual::new(remedy.0, remedy.1))
}
