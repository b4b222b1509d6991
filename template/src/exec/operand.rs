//! Operands: constants, variables, fields, methods.

use super::{At, Done, State, Work, type_in};
use crate::functions::Param;
use crate::node::{Command, Constant, Expr, ExprKind, Number};
use crate::print::cited;
use crate::value::{Value, entry};
use std::sync::Arc;

/// What is found behind a name.
enum Found {
    /// A field or an entry, and whether anything may stand there.
    Field(Value, bool),
    /// What a method answers without arguments.
    Method(Value),
    /// A method that takes one text.
    Taker(fn(&Value, &str) -> Value),
    /// A map has no such entry.
    Missing(Value, bool),
    Nothing,
}

/// Looks a name up in a value.
fn find(value: &Value, name: &str) -> Found {
    match value {
        Value::Map(entries) => match entry(entries, name) {
            Some(text) => Found::Field(Value::Text(Arc::clone(text)), false),
            None => Found::Missing(Value::text(""), false),
        },
        Value::Args(args) => match entry(&args.entries, name) {
            Some(value) => Found::Field(value.clone(), true),
            None => Found::Missing(Value::Nil, true),
        },
        Value::Params(_) if name == "Get" => Found::Taker(|params, name| {
            let Value::Params(params) = params else { return Value::text("") };
            let first = entry(params, name).and_then(|values| values.first());
            Value::Text(first.map_or_else(|| "".into(), Arc::clone))
        }),
        Value::Params(_) if name == "Has" => Found::Taker(|params, name| {
            let Value::Params(params) = params else { return Value::Bool(false) };
            Value::Bool(entry(params, name).is_some())
        }),
        Value::Params(params) => match entry(params, name) {
            Some(texts) => Found::Field(Value::Texts(Arc::clone(texts)), false),
            None => Found::Missing(Value::Texts(Arc::new([])), false),
        },
        Value::Record(record) => {
            let field = record.fields.iter().find(|(known, _, _)| *known == name);
            field.map_or(Found::Nothing, |(_, kind, value)| {
                Found::Field(value.clone(), *kind == crate::value::ANY)
            })
        }
        Value::Sample(sample) => match name {
            "Labels" => Found::Field(Value::Map(Arc::clone(&sample.labels)), false),
            "Value" => Found::Field(sample.value.clone(), true),
            _ => Found::Nothing,
        },
        Value::Histogram(histogram) => match name {
            "String" => Found::Method(Value::text(histogram.to_string())),
            "Count" => Found::Field(Value::Float(histogram.count), false),
            "Sum" => Found::Field(Value::Float(histogram.sum), false),
            "ZeroCount" => Found::Field(Value::Float(histogram.zero_count), false),
            "ZeroThreshold" => Found::Field(Value::Float(histogram.layout.zero_threshold), false),
            "Schema" => Found::Field(Value::Int(histogram.layout.schema.into()), false),
            _ => Found::Nothing,
        },
        Value::Clock(crate::clock::Clock::Time(_)) if name == "Format" => {
            Found::Taker(|time, layout| match time {
                Value::Clock(crate::clock::Clock::Time(nanos)) => {
                    Value::text(crate::clock::format(*nanos, layout))
                }
                _ => Value::text(""),
            })
        }
        Value::Clock(clock) => clock.method(name).map_or(Found::Nothing, Found::Method),
        _ => Found::Nothing,
    }
}

impl<'t> State<'t> {
    /// A command; `last` is the value of the one before it.
    pub(super) fn command(
        &mut self,
        dot: &Value,
        command: &'t Command,
        last: Option<Value>,
        work: &mut Work,
    ) -> Done<Value> {
        let first = &command.args[0];
        match &first.kind {
            ExprKind::Function(name) => {
                self.at = At::Expr(first);
                self.function(name, (dot, &command.args[1..], last), At::Command(command), work)
            }
            ExprKind::Field(_) | ExprKind::Variable(_) | ExprKind::Chain(..) => {
                self.fields(dot, first, (&command.args[1..], last), work)
            }
            ExprKind::Pipe(pipe) => {
                self.takes_nothing(command, last.is_some())?;
                self.descend(work)?;
                let value = self.pipe(dot, pipe, work)?;
                work.depth -= 1;
                Ok(value)
            }
            constant => {
                self.at = At::Expr(first);
                self.takes_nothing(command, last.is_some())?;
                match constant {
                    ExprKind::Nil => self.fail("nil is not a command"),
                    ExprKind::Bool(value) => Ok(Value::Bool(*value)),
                    ExprKind::Text(_, text) => Ok(Value::Text(Arc::clone(text))),
                    ExprKind::Number(number) => self.number(number),
                    _ => Ok(dot.clone()),
                }
            }
        }
    }

    fn takes_nothing(&self, command: &Command, has_last: bool) -> Done<()> {
        if command.args.len() > 1 || has_last {
            let first = &command.args[0];
            return self.fail(format_args!("can't give argument to non-function {first}"));
        }
        Ok(())
    }

    pub(super) fn number(&self, number: &Number) -> Done<Value> {
        match number.value {
            Constant::Int(value) => Ok(Value::Int(value)),
            Constant::Float(value) => Ok(Value::Float(value)),
            Constant::Complex(real, imaginary) => Ok(Value::Complex(real, imaginary)),
            Constant::Large => self.fail(format_args!("{} overflows int", number.text)),
        }
    }

    /// A field, a variable or a chain of fields, with arguments for the method at its end.
    pub(super) fn fields(
        &mut self,
        dot: &Value,
        expr: &'t Expr,
        (args, last): (&'t [Expr], Option<Value>),
        work: &mut Work,
    ) -> Done<Value> {
        self.at = At::Expr(expr);
        let (start, names) = match &expr.kind {
            ExprKind::Field(names) => (dot.clone(), &names[..]),
            ExprKind::Variable(names) => {
                let name = &names[0];
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let Some((_, value)) = known else {
                    return self.fail(format_args!("undefined variable: {name}"));
                };
                if names.len() == 1 {
                    if !args.is_empty() || last.is_some() {
                        let what = format_args!("can't give argument to non-function {name}");
                        return self.fail(what);
                    }
                    return Ok(value.clone());
                }
                (value.clone(), &names[1..])
            }
            ExprKind::Chain(inner, _) if matches!(inner.kind, ExprKind::Nil) => {
                return self.fail(format_args!("indirection through explicit nil in {expr}"));
            }
            ExprKind::Chain(inner, names) => {
                (self.argument(dot, Param::Any, inner, work)?, &names[..])
            }
            _ => unreachable!("it has fields"),
        };
        self.walk(dot, (start, names), (args, last), work)
    }

    /// Follows names from a value. Errors are reported where the last operand was, as in Go.
    fn walk(
        &mut self,
        dot: &Value,
        (start, names): (Value, &'t [String]),
        (args, last): (&'t [Expr], Option<Value>),
        work: &mut Work,
    ) -> Done<Value> {
        let (mut value, mut in_any) = (start, false);
        for (index, name) in names.iter().enumerate() {
            if matches!(value, Value::Nil) {
                if !in_any {
                    return Ok(Value::Nil);
                }
                return self.fail(format_args!("nil pointer evaluating interface {{}}.{name}"));
            }
            let is_end = index + 1 == names.len();
            let has_args = is_end && (!args.is_empty() || last.is_some());
            let given = if is_end { (args, last.clone()) } else { (&args[..0], None) };
            (value, in_any) = match find(&value, name) {
                Found::Field(..) | Found::Missing(..) if has_args => {
                    let what = match value {
                        Value::Map(_) | Value::Args(_) | Value::Params(_) => {
                            "is not a method but has arguments"
                        }
                        _ => "has arguments but cannot be invoked as function",
                    };
                    return self.fail(format_args!("{name} {what}"));
                }
                Found::Field(value, in_any) | Found::Missing(value, in_any) => (value, in_any),
                Found::Method(value) => {
                    self.arguments(dot, name, (&[], false), given, work)?;
                    (value, false)
                }
                Found::Taker(method) => {
                    let taken = self.arguments(dot, name, (&[Param::Text], false), given, work)?;
                    let Value::Text(text) = &taken[0] else { unreachable!("it takes a text") };
                    (method(&value, text), false)
                }
                Found::Nothing => {
                    let kind = type_in(&value, in_any);
                    let what = format_args!("can't evaluate field {name} in type {kind}");
                    return self.fail(what);
                }
            };
        }
        Ok(value)
    }

    /// An operand as an argument.
    pub(super) fn argument(
        &mut self,
        dot: &Value,
        param: Param,
        expr: &'t Expr,
        work: &mut Work,
    ) -> Done<Value> {
        self.at = At::Expr(expr);
        match &expr.kind {
            ExprKind::Nil if param == Param::Text => {
                self.fail(format_args!("cannot assign nil to {}", param.type_name()))
            }
            ExprKind::Nil => Ok(Value::Nil),
            ExprKind::Dot => self.checked(dot.clone(), param),
            ExprKind::Field(_) | ExprKind::Variable(_) | ExprKind::Chain(..) => {
                let value = self.fields(dot, expr, (&[], None), work)?;
                self.checked(value, param)
            }
            ExprKind::Pipe(pipe) => {
                self.descend(work)?;
                let value = self.pipe(dot, pipe, work)?;
                work.depth -= 1;
                self.checked(value, param)
            }
            ExprKind::Function(name) => {
                let value = self.function(name, (dot, &[], None), At::Expr(expr), work)?;
                self.checked(value, param)
            }
            ExprKind::Text(_, text) if matches!(param, Param::Text | Param::Any) => {
                Ok(Value::Text(Arc::clone(text)))
            }
            ExprKind::Bool(value) if param == Param::Any => Ok(Value::Bool(*value)),
            ExprKind::Number(number) if param == Param::Any => self.number(number),
            _ if param == Param::Text => self.fail(format_args!("expected string; found {expr}")),
            _ => {
                let kind = param.type_name();
                self.fail(format_args!("can't handle {expr} for arg of type {kind}"))
            }
        }
    }

    /// A value as an argument: of the type that the parameter wants.
    pub(super) fn checked(&self, value: Value, param: Param) -> Done<Value> {
        let fits = match (&value, param) {
            (Value::Nil, Param::Text) => {
                return self.fail(format_args!("invalid value; expected {}", param.type_name()));
            }
            (_, Param::Any)
            | (Value::Nil, _)
            | (Value::Text(_), Param::Text)
            | (Value::Samples(_), Param::Samples)
            | (Value::Sample(_), Param::Sample) => true,
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        let (wanted, kind) = (param.type_name(), value.type_name());
        self.fail(format_args!("wrong type for value; expected {wanted}; got {kind}"))
    }

    /// What `call` says: no value here is a function.
    pub(super) fn no_function(&self, name: &str, value: &Value) -> String {
        match value {
            Value::Nil => "call of nil".to_owned(),
            other => format!("non-function {name} of type {}", other.type_name()),
        }
    }

    /// The text of an operand for `call`.
    pub(super) fn named(args: &[Expr], last: Option<&Value>) -> String {
        args.first().map(ToString::to_string).or_else(|| last.map(cited)).unwrap_or_default()
    }
}
