//! Syntax to plan.

use super::duration::{Sign, evaluate};
use super::{
    Aggregate, Argument, Binary, Call, Look, Node, Plan, Range, Root, Select, Shown, Source, Times,
    WindowCall, invariant,
};
use crate::ast::{
    self, AggregateOp, At, BinaryOp, Expr, Extended, Length, TimeModifiers, ValueType,
};
use crate::engine::{EngineOptions, Error};
use crate::functions::{self, FunctionId};
use model::quote::QuotedBytes;

struct Builder<'a> {
    times: Times,
    options: &'a EngineOptions,
    /// Inside the parameter of an aggregation, where `@` is only half understood: `start()` and `end()` are ignored,
    /// a timestamp holds for the first step.
    in_parameter: bool,
    /// Inside a function that looks at the totals of histograms only.
    wants_totals: bool,
    /// Inside something that needs the buckets of histograms, or to know their neighbours.
    wants_buckets: bool,
}

/// Whether an aggregation needs nothing of the labels of a series but its group.
fn looks_at_groups_only(op: AggregateOp) -> bool {
    use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Topk};
    !matches!(op, Topk | Bottomk | Limitk | LimitRatio | CountValues)
}

impl Plan {
    /// The plan of a checked expression.
    pub(crate) fn build(expr: &Expr, times: Times, options: &EngineOptions) -> Result<Self, Error> {
        let mut builder = Builder {
            times,
            options,
            in_parameter: false,
            wants_totals: false,
            wants_buckets: false,
        };
        let root = match expr.value_type() {
            ValueType::String => Root::Text(text(expr)),
            ValueType::Matrix => {
                let mut range = builder.range(expr)?;
                invariant::mark_range(&mut range);
                Root::Range(range)
            }
            value_type => {
                let mut node = builder.node(expr)?;
                let constant = invariant::mark(&mut node);
                invariant::wrap_if(&mut node, constant);
                if value_type == ValueType::Scalar {
                    Root::Scalar(node)
                } else {
                    Root::Vector(node)
                }
            }
        };
        Ok(Self { root })
    }
}

fn text(expr: &Expr) -> String {
    match expr.unwrap_parens() {
        Expr::String(literal) => literal.text().into_owned(),
        other => unreachable!("checked to be a string: {other}"),
    }
}

impl Builder<'_> {
    fn node(&mut self, expr: &Expr) -> Result<Node, Error> {
        Ok(match expr {
            Expr::Number(number) => Node::Number(number.value),
            Expr::Vector(selector) => {
                Node::Select { select: self.select(selector)?, shown: Shown::Value }
            }
            Expr::Unary(unary) => {
                let inner = self.node(&unary.expr)?;
                match inner {
                    inner if !unary.negative => inner,
                    Node::Number(value) => Node::Number(-value),
                    inner => Node::Negate(Box::new(inner)),
                }
            }
            Expr::Binary(binary) => self.binary(binary)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Call(call) => self.call(call)?,
            Expr::Paren(paren) => self.node(&paren.expr)?,
            Expr::String(_) | Expr::Matrix(_) | Expr::Subquery(_) => {
                unreachable!("checked to be a vector or scalar: {expr}")
            }
        })
    }

    fn binary(&mut self, binary: &ast::Binary) -> Result<Node, Error> {
        let wanted = self.wants_buckets;
        self.wants_buckets |= matches!(binary.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        let (lhs, rhs) = (self.node(&binary.lhs), self.node(&binary.rhs));
        self.wants_buckets = wanted;
        let (lhs, rhs) = (lhs?, rhs?);
        if let (Node::Number(a), Node::Number(b)) = (&lhs, &rhs) {
            return Ok(Node::Number(crate::binary::scalars(binary.op, *a, *b)?));
        }
        Ok(Node::Binary(Box::new(Binary {
            op: binary.op,
            lhs,
            rhs,
            return_bool: binary.return_bool,
            matching: binary.matching.clone(),
            span: binary.lhs.span().to(binary.rhs.span()),
        })))
    }

    fn aggregate(&mut self, aggregate: &ast::Aggregate) -> Result<Node, Error> {
        let mut operand = self.node(aggregate.expr.unwrap_parens())?;
        if !aggregate.without && looks_at_groups_only(aggregate.op) {
            operand.want_labels(&aggregate.grouping);
        }
        let outside = std::mem::replace(&mut self.in_parameter, true);
        let param = aggregate.param.as_deref().map(|param| self.argument(param)).transpose();
        self.in_parameter = outside;
        Ok(Node::Aggregate(Box::new(Aggregate {
            op: aggregate.op,
            operand,
            param: param?,
            grouping: aggregate.grouping.clone(),
            without: aggregate.without,
            operand_span: Some(aggregate.expr.span()),
            span: aggregate.span,
            param_span: aggregate.param.as_deref().map(|p| p.unwrap_parens().span()),
        })))
    }

    fn argument(&mut self, expr: &Expr) -> Result<Argument, Error> {
        let expr = expr.unwrap_parens();
        if let Expr::String(literal) = expr {
            // Labels are UTF-8 here, and so what is not UTF-8 cannot name one, and fills one as clients would read it.
            let is_text = str::from_utf8(&literal.value).is_ok();
            return if is_text || !self.in_parameter {
                Ok(Argument::Text(literal.text().into_owned()))
            } else {
                let shown = QuotedBytes(&literal.value);
                Err(Error::Execution(format!("invalid label name {shown}")))
            };
        }
        Ok(Argument::Node { node: self.node(expr)?, span: expr.span() })
    }

    fn call(&mut self, call: &ast::Call) -> Result<Node, Error> {
        let function = call.function.id;
        let seconds = |ms: i64| Node::Number(ms as f64 / 1000.0);
        let Times { start_ms, end_ms, step_ms } = self.times;
        match function {
            FunctionId::Start => return Ok(seconds(start_ms)),
            FunctionId::End => return Ok(seconds(end_ms)),
            FunctionId::Range => return Ok(seconds(end_ms.saturating_sub(start_ms))),
            FunctionId::Step => return Ok(seconds(if start_ms == end_ms { 0 } else { step_ms })),
            FunctionId::Pi => return Ok(Node::Number(std::f64::consts::PI)),
            FunctionId::Timestamp | FunctionId::StartTimestamp => {
                let starts = function == FunctionId::StartTimestamp;
                if let Expr::Vector(selector) = call.args[0].unwrap_parens()
                    && (!starts || self.options.use_start_timestamps)
                {
                    let select = Select { smoothed: false, ..self.select(selector)? };
                    let shown = if starts { Shown::Start } else { Shown::Time };
                    return Ok(Node::Select { select, shown });
                }
            }
            _ => {}
        }
        if let Some(at) = call.args.iter().position(|a| a.value_type() == ValueType::Matrix) {
            return self.window(call, at);
        }
        functions::label::validate_bytes(call)?;
        let wanted = (self.wants_totals, self.wants_buckets);
        match function {
            FunctionId::HistogramCount | FunctionId::HistogramSum | FunctionId::HistogramAvg => {
                self.wants_totals = true;
            }
            FunctionId::HistogramQuantile
            | FunctionId::HistogramQuantiles
            | FunctionId::HistogramFraction => self.wants_buckets = true,
            _ => {}
        }
        let args = call.args.iter().map(|arg| self.argument(arg)).collect::<Result<_, _>>();
        (self.wants_totals, self.wants_buckets) = wanted;
        let args = args?;
        let call = Call { function, args, span: call.span };
        functions::call::validate(&call)?;
        Ok(Node::Call(Box::new(call)))
    }

    fn window(&mut self, call: &ast::Call, at: usize) -> Result<Node, Error> {
        let function = call.function.id;
        let range = self.range(call.args[at].unwrap_parens())?;
        let counts =
            matches!(function, FunctionId::Delta | FunctionId::Increase | FunctionId::Rate);
        let events = matches!(function, FunctionId::Changes | FunctionId::Resets);
        let (allowed, keyword, names) = match range.extended {
            None => (true, "", ""),
            Some(Extended::Anchored) => {
                (counts || events, "anchored", "changes, delta, increase, rate, resets")
            }
            Some(Extended::Smoothed) => (counts, "smoothed", "delta, increase, rate"),
        };
        if !allowed {
            let name = call.function.name;
            return Err(Error::Execution(format!(
                "{keyword} modifier can only be used with: {names} - not with {name}"
            )));
        }
        let others = call.args.iter().enumerate().filter(|(index, _)| *index != at);
        let params = others.map(|(_, arg)| self.node(arg.unwrap_parens()));
        let params = params.collect::<Result<_, _>>()?;
        let first_arg = call.args[0].unwrap_parens().span();
        Ok(Node::Window(Box::new(WindowCall { function, range, params, first_arg })))
    }

    fn look(&self, modifiers: &TimeModifiers) -> Result<Look, Error> {
        let offset_ms = evaluate(&modifiers.offset, self.times, Sign::Any)?.ms;
        let at_ms = match modifiers.at {
            Some(At::TimestampMs(at)) => Some(at),
            Some(At::Start) if !self.in_parameter => Some(self.times.start_ms),
            Some(At::End) if !self.in_parameter => Some(self.times.end_ms),
            _ => None,
        };
        Ok(Look { at_ms, moving: self.in_parameter, offset_ms })
    }

    fn select(&self, selector: &ast::VectorSelector) -> Result<Select, Error> {
        Ok(Select {
            matchers: selector.matchers.clone(),
            look: self.look(&selector.at)?,
            smoothed: selector.extended == Some(Extended::Smoothed),
            totals_only: self.wants_totals && !self.wants_buckets,
            wanted_labels: None,
            span: selector.span,
        })
    }

    fn length(&self, length: &Length) -> Result<super::duration::Duration, Error> {
        evaluate(length, self.times, Sign::Positive)
    }

    fn range(&mut self, expr: &Expr) -> Result<Range, Error> {
        match expr.unwrap_parens() {
            Expr::Matrix(matrix) => {
                let range = self.length(&matrix.range)?;
                Ok(Range {
                    source: Source::Stored(self.select(&matrix.selector)?),
                    range_ms: range.ms,
                    range_seconds: range.seconds,
                    extended: matrix.selector.extended,
                    span: Some(matrix.span),
                })
            }
            Expr::Subquery(subquery) => {
                let range = self.length(&subquery.range)?;
                let step_ms = match &subquery.step {
                    None => self.options.default_eval_interval_ms,
                    Some(step @ Length::Nanos(_)) => self.length(step)?.ms,
                    // A computed step below a millisecond counts as not given.
                    Some(step) => match self.length(step)?.ms {
                        0 => self.options.default_eval_interval_ms,
                        ms => ms,
                    },
                };
                let look = self.look(&subquery.at)?;
                let wanted = std::mem::replace(&mut self.wants_buckets, true);
                let inner = self.node(&subquery.expr);
                self.wants_buckets = wanted;
                let inner = Box::new(inner?);
                Ok(Range {
                    source: Source::Subquery { inner, step_ms, look },
                    range_ms: range.ms,
                    range_seconds: range.seconds,
                    extended: None,
                    span: None,
                })
            }
            other => unreachable!("checked to be a range: {other}"),
        }
    }
}
