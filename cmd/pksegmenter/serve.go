package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
	"github.com/PlanktoScope/pkbuild/services/segmenter/service"
)

// closing is how long the last messages may take when the program ends.
const closing = 5 * time.Second

// server is the service with its connections.
type server struct {
	data, broker, version, listen string
	stall                         time.Duration
	settings                      segmenter.Settings
}

func serveCommand() *cobra.Command {
	s := &server{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Segment data sets on request by MQTT",
		Long: "Takes requests on the topic segmenter/segment, publishes its status on status/segmenter and below, and serves the\n" +
			"latest cut-outs as Motion JPEG. It pauses while the imager acquires pictures.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.Context(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.data, "data", "/home/pi/data", "`DIR` with img, and for objects, clean and export")
	f.StringVar(&s.broker, "broker", "localhost:1883", "`ADDRESS` of the MQTT broker")
	f.StringVar(&s.version, "mqtt-version", "5", "speak MQTT `VERSION` 5 or 3.1.1")
	f.StringVar(&s.listen, "stream", ":8001", "`ADDRESS` of the stream of cut-outs; empty for none")
	f.DurationVar(&s.stall, "acquisition-timeout", 10*time.Minute, "continue if an acquisition has had no status for this `TIME`")
	addResources(cmd, &s.settings)
	return cmd
}

func (s *server) run(ctx context.Context, log *slog.Logger) error {
	version, err := mqtt.ParseVersion(s.version)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	limitMemory(s.settings.Memory)
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 10); err != nil {
		log.Warn("lower the priority", "error", err)
	}
	stream := service.NewStream()
	work, client, err := s.connect(ctx, version, stream, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.listen != "" {
		web := &http.Server{Addr: s.listen, Handler: stream, ReadHeaderTimeout: closing}
		go func() {
			if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve the stream: %w", err))
			}
		}()
		defer web.Close()
	}
	work.Run(ctx)
	last, done := context.WithTimeout(context.Background(), closing)
	defer done()
	err = client.Close(last)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// connect returns the service and its client of the broker.
func (s *server) connect(ctx context.Context, version mqtt.Version, stream *service.Stream, log *slog.Logger) (*service.Service, *mqtt.Client, error) {
	// The client calls the service from its goroutines while it is being opened.
	ready := make(chan struct{})
	var client *mqtt.Client
	work := service.New(service.Config{
		Data: s.data, Settings: s.settings, Version: programVersion(), Stall: s.stall, Log: log, Show: stream.Show,
		Publish: func(m mqtt.Message) { <-ready; client.Publish(m) },
		Respond: func(m mqtt.Message, payload []byte) { <-ready; client.Respond(m, payload) },
	})
	var err error
	client, err = mqtt.Open(context.WithoutCancel(ctx), mqtt.Options{
		Broker: s.broker, ClientID: "pksegmenter", Version: version, Log: log, Wills: []mqtt.Message{service.Will()},
		Subscribe:   []string{service.CommandTopic, service.ImagerTopic},
		Reconnected: func(int) { work.Reconnected() },
		Receive:     work.Receive,
	})
	close(ready)
	return work, client, err
}
