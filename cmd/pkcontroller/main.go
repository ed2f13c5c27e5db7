// Command pkcontroller is the hardware controller of a PlanktoScope. It parses flags; what it does is in package
// services/controller.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// version is set by the linker; a build without it says "dev".
var version = "dev"

func main() { cli.Main(command()) }

// flags are the options of the command.
type flags struct {
	controller.Options
	controller.Machine
	mqttVersion      string
	preview, metrics string
}

func command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "pkcontroller",
		Short: "Control a PlanktoScope's pump, focus, light and camera by messages on MQTT",
		Example: `  pkcontroller --hardware simulated --data /tmp/data
  mosquitto_pub -t light -m '{"action":"on"}'`,
		Args:    cobra.NoArgs,
		Version: version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return f.run(ctx)
		},
		SilenceUsage: true,
	}
	home := "/home/pi"
	s := cmd.Flags()
	s.StringVar(&f.Broker, "broker", "127.0.0.1:1883", "`address` of the MQTT broker")
	s.StringVar(&f.mqttVersion, "mqtt-version", "5", "`version` of MQTT to speak: 5 or 3.1.1; clients may use any")
	s.StringVar(&f.Kind, "hardware", "auto", "`kind` of hardware: hat, simulated, or auto, which is simulated if no HAT and no SPI bus is found")
	s.StringVar(&f.HardwareFile, "hardware-file", filepath.Join(home, "PlanktoScope/hardware.json"), "`file` that describes the instrument")
	s.StringVar(&f.ConfigFile, "config-file", filepath.Join(home, "PlanktoScope/config.json"), "`file` with the metadata of the last acquisition")
	s.StringVar(&f.DataDir, "data", filepath.Join(home, "data"), "`directory` of the data sets")
	s.StringVar(&f.StateDir, "state", "", "`directory` that keeps the operating time of the light")
	s.StringVar(&f.NameFile, "machine-name-file", "/var/lib/planktoscope/machine-name", "`file` with the name of the machine")
	s.StringVar(&f.PasswordFile, "hotspot-password-file", "", "`file` with the hotspot's password, which the display shows until the first set-up")
	s.StringVar(&f.Video, "video", "", "V4L2 `device` of the camera (default: libcamera's programs, else /dev/video0)")
	s.Uint64Var(&f.Seed, "seed", 1, "`seed` of simulated plankton")
	s.IntVar(&f.Divisor, "simulated-divisor", 1, "divide width and height of simulated pictures of 4056×3040 by this `number`")
	s.StringVar(&f.preview, "preview", ":8000", "`address` of the preview; empty for none")
	s.StringVar(&f.metrics, "metrics", ":8002", "`address` of the metrics for Prometheus; empty for none")
	cmd.AddCommand(pictureCommand(), clidoc.Command("8"))
	return cmd
}

// pictureCommand tries the camera.
func pictureCommand() *cobra.Command {
	var video string
	cmd := &cobra.Command{
		Use:     "picture FILE",
		Short:   "Take one picture, without MQTT",
		Example: "  pkcontroller picture --video /dev/video0 test.jpg",
		Args:    cli.Exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := camera.Open(video)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.Apply(camera.DefaultSettings(c.Name())); err != nil {
				return err
			}
			if _, err := c.Frame(cmd.Context()); err != nil { // the preview, too
				return err
			}
			still, err := c.Capture(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), c.Name(), c.Resolution())
			return atomicfile.Write(args[0], still.JPEG, 0o644)
		},
		SilenceUsage: true,
	}
	cmd.Flags().StringVar(&video, "video", "", "V4L2 `device` of the camera (default: libcamera's programs, else /dev/video0)")
	return cmd
}

func (f *flags) run(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	f.Log, f.Options.Metrics = log, new(controller.Metrics)
	var err error
	if f.Options.Version, err = mqtt.ParseVersion(f.mqttVersion); err != nil {
		return err
	}
	hardware, err := controller.ReadHardware(f.HardwareFile)
	if err != nil {
		return err
	}
	instrument, err := f.Open(hardware)
	if err != nil {
		return err
	}
	if instrument.Simulated {
		log.Warn("hardware is simulated: nothing moves, and pictures show no real plankton")
	}
	f.MachineName, f.Screen = f.Machine.Name(), f.Lines
	c, err := controller.New(ctx, instrument, hardware, f.Options)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for _, s := range []struct {
		address string
		handler http.Handler
	}{{f.preview, controller.NewPreview(instrument.Camera, log, f.Options.Metrics)}, {f.metrics, f.Options.Metrics}} {
		if err := serve(ctx, s.address, s.handler, stop); err != nil {
			return err
		}
	}
	notify("READY=1")
	err = c.Run(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// serve answers HTTP requests until ctx ends. An error later on is passed to stop.
func serve(ctx context.Context, address string, h http.Handler, stop context.CancelCauseFunc) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("serve HTTP on %s: %w", address, err))
		}
	}()
	return nil
}

// notify tells systemd the state of the service, if systemd started it.
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if c, err := net.Dial("unixgram", name); err == nil {
		_, _ = c.Write([]byte(state))
		_ = c.Close()
	}
}
