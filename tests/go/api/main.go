// Calls every endpoint of a server by the published client of Prometheus and prints what it understood, one call a line:
//
//	api [-times FROM,TO] URL
//
//	NAME  ANSWER
//
// What differs from run to run (times of scrapes, names of snapshots) is left out, what has no order is sorted.
// The server is written to: it deletes the series `gone`, makes a snapshot and cleans up.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Instant queries of every type of result, and some that fail.
var instant = []string{
	"1", "\"text\"", "vector(1)", "up", "{__name__=~\"edge.*\"}", "ann_00", "ann_03[10m]", "edge_hist",
	"rate(ann_05[5m])", "sum by (job) ({__name__=~\"ann.*\"})", "histogram_quantile(0.9, edge_hist)",
	"utf8", "{\"utf8.m\\u00e9trique\"}", "1 +", "ann_00 + on (nothing) ann_01", "rate(ann_00)",
	"label_replace(ann_00, \"~\", \"$1\", \"job\", \"(.*)\")", "absent(nothing)", "-1/0", "0/0",
}

// Range queries.
var ranges = []string{
	"ann_00", "vector(time())", "edge_hist", "rate(ann_05[5m])", "sum({__name__=~\"ann.*\"})", "\"text\"", "ann_00[5m]",
}

// say prints a line; errors are told as the client classifies them.
func say(name string, value any, warnings v1.Warnings, err error) {
	if err != nil {
		fmt.Printf("%s\terror\t%s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	sort.Strings(warnings)
	fmt.Printf("%s\t%s\t%v\n", name, text(value), []string(warnings))
}

func text(value any) string {
	switch value := value.(type) {
	case model.Vector:
		sort.Slice(value, func(i, j int) bool { return value[i].Metric.Before(value[j].Metric) })
	case model.Matrix:
		sort.Sort(value)
	}
	if value, ok := value.(model.Value); ok {
		return value.Type().String() + " " + strings.ReplaceAll(value.String(), "\n", " ; ")
	}
	bytes, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(bytes)
}

func queries(ctx context.Context, client v1.API, from, to time.Time) {
	at := from.Add(91 * time.Minute)
	for _, query := range instant {
		value, warnings, err := client.Query(ctx, query, at)
		say("query "+query, value, warnings, err)
	}
	value, warnings, err := client.Query(ctx, "{job!=\"\"}", at, v1.WithLimit(2), v1.WithTimeout(time.Minute))
	if vector, ok := value.(model.Vector); ok {
		value = &model.Scalar{Value: model.SampleValue(len(vector))}
	}
	say("query with a limit", value, warnings, err)
	value, warnings, err = client.Query(ctx, "ann_00", at, v1.WithLookbackDelta(time.Second), v1.WithStats(v1.AllStatsValue))
	say("query with a look-back", value, warnings, err)
	for _, query := range ranges {
		r := v1.Range{Start: from, End: to, Step: 7 * time.Minute}
		value, warnings, err := client.QueryRange(ctx, query, r)
		say("query_range "+query, value, warnings, err)
	}
	_, warnings, err = client.QueryRange(ctx, "1", v1.Range{Start: from, End: to, Step: time.Millisecond})
	say("query_range too fine", nil, warnings, err)
	exemplars, err := client.QueryExemplars(ctx, "ex_total", from, to)
	say("query_exemplars", exemplars, nil, err)
	exemplars, err = client.QueryExemplars(ctx, "ex_total +", from, to)
	say("query_exemplars broken", exemplars, nil, err)
	formatted, err := client.FormatQuery(ctx, "sum(ann_00)by(job)>0")
	say("format_query", formatted, nil, err)
	formatted, err = client.FormatQuery(ctx, "sum(")
	say("format_query broken", formatted, nil, err)
}

func names(ctx context.Context, client v1.API, from, to time.Time) {
	matches := [][]string{nil, {"ann_00"}, {"ann_00", "{__name__=~\"edge.*\"}"}, {"{"}}
	for _, match := range matches {
		labels, warnings, err := client.LabelNames(ctx, match, from, to)
		say(fmt.Sprintf("labels %v", match), labels, warnings, err)
		values, warnings, err := client.LabelValues(ctx, "__name__", match, from, to)
		say(fmt.Sprintf("label values %v", match), values, warnings, err)
		series, warnings, err := client.Series(ctx, match, from, to)
		texts := make([]string, len(series))
		for i, set := range series {
			texts[i] = set.String()
		}
		sort.Strings(texts)
		say(fmt.Sprintf("series %v", match), texts, warnings, err)
	}
	values, warnings, err := client.LabelValues(ctx, "job", nil, from, to, v1.WithLimit(1))
	say("label values with a limit", values, warnings, err)
	values, warnings, err = client.LabelValues(ctx, "a.b", nil, from, to)
	say("label values of a name beyond ASCII", values, warnings, err)
	none, warnings, err := client.LabelNames(ctx, nil, from.AddDate(-1, 0, 0), to.AddDate(-1, 0, 0))
	say("labels of another year", none, warnings, err)
}

func status(ctx context.Context, client v1.API) {
	config, err := client.Config(ctx)
	say("config", config.YAML, nil, err)
	flags, err := client.Flags(ctx)
	shown := map[string]string{}
	for _, name := range []string{"query.timeout", "storage.tsdb.retention.time", "web.enable-admin-api"} {
		shown[name] = flags[name]
	}
	say("flags", shown, nil, err)
	build, err := client.Buildinfo(ctx)
	say("buildinfo", build.GoVersion != "", nil, err)
	run, err := client.Runtimeinfo(ctx)
	say("runtimeinfo", []any{run.ReloadConfigSuccess, run.CorruptionCount, run.StorageRetention, !run.StartTime.IsZero()}, nil, err)
	head, err := client.TSDB(ctx, v1.WithLimit(1))
	say("tsdb", []any{head.HeadStats.NumSeries, head.SeriesCountByMetricName, head.SeriesCountByLabelValuePair}, nil, err)
	blocks, err := client.TSDBBlocks(ctx)
	say("tsdb blocks", len(blocks.Data.Blocks), nil, err)
	replay, err := client.WalReplay(ctx)
	say("walreplay", replay, nil, err)
	alerts, err := client.Alerts(ctx)
	say("alerts", alerts, nil, err)
	rules, err := client.Rules(ctx, nil)
	say("rules", rules, nil, err)
	managers, err := client.AlertManagers(ctx)
	say("alertmanagers", managers, nil, err)
	targets, err := client.Targets(ctx)
	// Some servers know their targets seconds after their start only.
	for err == nil && len(targets.Active) == 0 && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		targets, err = client.Targets(ctx)
	}
	for _, target := range targets.Active {
		say("target", []any{target.DiscoveredLabels, target.Labels, target.ScrapePool, target.ScrapeURL, target.GlobalURL}, nil, err)
	}
	say("dropped targets", targets.Dropped, nil, err)
	metadata, err := client.Metadata(ctx, "none", "1")
	say("metadata", metadata, nil, err)
	ofTargets, err := client.TargetsMetadata(ctx, "{job=\"a\"}", "none", "1")
	say("targets metadata", ofTargets, nil, err)
	ofTargets, err = client.TargetsMetadata(ctx, "{", "", "")
	say("targets metadata broken", ofTargets, nil, err)
}

func admin(ctx context.Context, client v1.API, from, to time.Time) {
	say("delete_series", nil, nil, client.DeleteSeries(ctx, []string{"gone"}, from, to))
	value, warnings, err := client.Query(ctx, "count_over_time(gone[3h])", to)
	say("deleted", value, warnings, err)
	say("delete_series broken", nil, nil, client.DeleteSeries(ctx, []string{"{"}, from, to))
	say("clean_tombstones", nil, nil, client.CleanTombstones(ctx))
	snapshot, err := client.Snapshot(ctx, false)
	say("snapshot", len(snapshot.Name), nil, err)
}

func main() {
	times := flag.String("times", "1793491200,1793498400", "first and last second of the data")
	flag.Parse()
	var first, last int64
	if _, err := fmt.Sscanf(*times, "%d,%d", &first, &last); err != nil || flag.NArg() != 1 {
		log.Fatal("usage: api [-times FROM,TO] URL")
	}
	from, to := time.Unix(first, 0), time.Unix(last, 0)
	client, err := api.NewClient(api.Config{Address: flag.Arg(0)})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	prometheus := v1.NewAPI(client)
	queries(ctx, prometheus, from, to)
	names(ctx, prometheus, from, to)
	status(ctx, prometheus)
	admin(ctx, prometheus, from, to)
}
