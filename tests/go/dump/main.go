// Opens a data directory with the storage of Prometheus itself and prints every sample, histogram and exemplar, and
// what its log says of metadata.
//
//	dump [-out-of-order-ms N] [-exemplars N] [-starts] [-metadata] DIRECTORY
//
// One line a sample, fields separated by tabs, series in the order of their labels, samples in time order:
//
//	LABELS  f  TIMESTAMP  VALUE
//	LABELS  h  TIMESTAMP  HISTOGRAM
//	LABELS  e  TIMESTAMP  VALUE  EXEMPLAR_LABELS
//	LABELS  m  TYPE  UNIT  HELP
//
// With -starts, a sample whose start timestamp is known ends with it. Floats are their sixteen hex digits. A
// histogram is `int` or `float`, schema, zero threshold, zero count, count, sum, positive spans, positive counts,
// negative spans, negative counts, custom bounds; lists are comma separated, spans are offset:length.
// The directory is written into: give it a copy.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

func main() {
	outOfOrder := flag.Int64("out-of-order-ms", 0, "the out-of-order window")
	exemplars := flag.Int64("exemplars", 0, "how many exemplars to keep")
	starts := flag.Bool("starts", false, "keep and print start timestamps")
	metadata := flag.Bool("metadata", false, "print the metadata in the log")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: dump [flags] DIRECTORY")
		os.Exit(2)
	}
	options := tsdb.DefaultOptions()
	options.RetentionDuration = math.MaxInt64 / 4
	options.OutOfOrderTimeWindow = *outOfOrder
	options.EnableExemplarStorage = *exemplars > 0
	options.MaxExemplars = *exemplars
	options.EnableSTStorage = *starts
	options.EnableHistogramSTEncoding = *starts
	if *starts {
		options.FloatChunkEncoding = chunkenc.EncXOR2
		options.XOR2EncodingAllowed = true
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := dump(flag.Arg(0), options, *starts, out)
	if err == nil && *metadata {
		err = printMetadata(flag.Arg(0), out)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dump(directory string, options *tsdb.Options, starts bool, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := tsdb.Open(directory, log, nil, options, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", directory, err)
	}
	defer db.Close()
	db.DisableCompactions()
	all := labels.MustNewMatcher(labels.MatchRegexp, "", ".*")
	if err := samples(db, all, starts, out); err != nil {
		return err
	}
	if options.EnableExemplarStorage {
		return printExemplars(db, out)
	}
	return nil
}

func samples(db *tsdb.DB, all *labels.Matcher, starts bool, out io.Writer) error {
	querier, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	defer querier.Close()
	set := querier.Select(context.Background(), true, nil, all)
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		name := series.Labels().String()
		it = series.Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			line(out, name, kind, it, starts)
		}
		if err := it.Err(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, warning := range set.Warnings() {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	return set.Err()
}

func line(out io.Writer, name string, kind chunkenc.ValueType, it chunkenc.Iterator, starts bool) {
	switch kind {
	case chunkenc.ValFloat:
		timestamp, value := it.At()
		fmt.Fprintf(out, "%s\tf\t%d\t%s", name, timestamp, bits(value))
	case chunkenc.ValHistogram:
		timestamp, value := it.AtHistogram(nil)
		fmt.Fprintf(out, "%s\th\t%d\tint %s", name, timestamp, text(value.ToFloat(nil)))
	case chunkenc.ValFloatHistogram:
		timestamp, value := it.AtFloatHistogram(nil)
		fmt.Fprintf(out, "%s\th\t%d\tfloat %s", name, timestamp, text(value))
	}
	if starts && it.AtST() != 0 {
		fmt.Fprintf(out, "\t%d", it.AtST())
	}
	fmt.Fprintln(out)
}

func printExemplars(db *tsdb.DB, out io.Writer) error {
	querier, err := db.ExemplarQuerier(context.Background())
	if err != nil {
		return err
	}
	all := []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "", ".*")}
	found, err := querier.Select(math.MinInt64, math.MaxInt64, all)
	if err != nil {
		return err
	}
	sort.Slice(found, func(i, j int) bool {
		return labels.Compare(found[i].SeriesLabels, found[j].SeriesLabels) < 0
	})
	for _, series := range found {
		for _, e := range series.Exemplars {
			fmt.Fprintf(out, "%s\te\t%d\t%s\t%s\n", series.SeriesLabels, e.Ts, bits(e.Value), e.Labels)
		}
	}
	return nil
}

// printMetadata reads checkpoint and log: the storage has no other way to tell.
func printMetadata(directory string, out io.Writer) error {
	directory = filepath.Join(directory, "wal")
	first := -1
	sources := []wlog.SegmentRange{}
	checkpoint, number, err := wlog.LastCheckpoint(directory)
	if err == nil {
		sources = append(sources, wlog.SegmentRange{Dir: checkpoint, First: -1, Last: -1})
		first = number + 1
	} else if !errors.Is(err, record.ErrNotFound) {
		return err
	}
	sources = append(sources, wlog.SegmentRange{Dir: directory, First: first, Last: -1})
	segments, err := wlog.NewSegmentsRangeReader(sources...)
	if err != nil {
		return err
	}
	defer segments.Close()
	names, told := map[chunks.HeadSeriesRef]string{}, map[chunks.HeadSeriesRef]record.RefMetadata{}
	decoder := record.NewDecoder(labels.NewSymbolTable(), slog.Default())
	reader := wlog.NewReader(segments)
	for reader.Next() {
		switch decoder.Type(reader.Record()) {
		case record.Series:
			series, err := decoder.Series(reader.Record(), nil)
			if err != nil {
				return err
			}
			for _, s := range series {
				names[s.Ref] = s.Labels.String()
			}
		case record.Metadata:
			rows, err := decoder.Metadata(reader.Record(), nil)
			if err != nil {
				return err
			}
			for _, row := range rows {
				told[row.Ref] = row
			}
		}
	}
	if err := reader.Err(); err != nil {
		return err
	}
	for ref, row := range told {
		kind := record.ToMetricType(row.Type)
		fmt.Fprintf(out, "%s\tm\t%s\t%s\t%s\n", names[ref], kind, row.Unit, row.Help)
	}
	return nil
}

func bits(value float64) string {
	return fmt.Sprintf("%016x", math.Float64bits(value))
}

func text(h *histogram.FloatHistogram) string {
	fields := []string{
		fmt.Sprint(h.Schema), bits(h.ZeroThreshold), bits(h.ZeroCount), bits(h.Count), bits(h.Sum),
		spans(h.PositiveSpans), list(h.PositiveBuckets),
		spans(h.NegativeSpans), list(h.NegativeBuckets), list(h.CustomValues),
	}
	return strings.Join(fields, " ")
}

func spans(spans []histogram.Span) string {
	parts := make([]string, len(spans))
	for i, span := range spans {
		parts[i] = fmt.Sprintf("%d:%d", span.Offset, span.Length)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func list(values []float64) string {
	parts := make([]string, len(values))
	for i, value := range values {
		parts[i] = bits(value)
	}
	return "[" + strings.Join(parts, ",") + "]"
}
