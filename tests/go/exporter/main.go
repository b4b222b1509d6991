// An exporter made with the client library for Go: every kind of metric it has, with values that stay. It prints the
// address it listens at and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func fill(registry *prometheus.Registry) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "demo_requests_total", Help: "Requests, with \"quotes\", \\ and\nlines.",
	}, []string{"code", "path"})
	requests.WithLabelValues("200", "/a\"b\\c\nd").Add(42)
	exemplar := prometheus.Labels{"trace_id": "abc123"}
	requests.WithLabelValues("500", "/é").(prometheus.ExemplarAdder).AddWithExemplar(3, exemplar)
	temperature := prometheus.NewGauge(prometheus.GaugeOpts{Name: "demo_temperature_celsius", Help: "Warmth."})
	temperature.Set(-21.5)
	seconds := prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "demo_seconds", Help: "A summary.", Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001},
	})
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "demo_classic_bytes", Help: "Classic buckets.", Buckets: []float64{1, 10, 100},
	})
	native := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "demo_native_seconds", Help: "Native buckets.", NativeHistogramBucketFactor: 1.1,
	})
	both := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "demo_both_seconds", Help: "Both.", Buckets: []float64{0.1, 1}, NativeHistogramBucketFactor: 1.5,
	}, []string{"kind"})
	for i := 1; i <= 100; i++ {
		value := float64(i) / 7
		seconds.Observe(value)
		classic.(prometheus.ExemplarObserver).ObserveWithExemplar(value, exemplar)
		native.Observe(value)
		both.WithLabelValues("a").(prometheus.ExemplarObserver).ObserveWithExemplar(value, exemplar)
	}
	both.WithLabelValues("negative").Observe(-3)
	quoted := prometheus.NewGauge(prometheus.GaugeOpts{Name: "demo.quoted name", Help: "A name in UTF-8."})
	quoted.Set(1e300)
	registry.MustRegister(requests, temperature, seconds, classic, native, both, quoted)
}

func main() {
	registry := prometheus.NewRegistry()
	fill(registry)
	options := promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true}
	http.Handle("/metrics", promhttp.HandlerFor(registry, options))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() { _ = http.Serve(listener, nil) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}
