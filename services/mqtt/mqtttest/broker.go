// Package mqtttest runs an MQTT broker within tests.
package mqtttest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/stretchr/testify/require"
)

// Broker is an MQTT broker for tests, which works without a network. In a testing/synctest bubble it uses the bubble's
// clock.
type Broker struct {
	server *mqtt.Server

	mu      sync.Mutex
	conns   []net.Conn
	stopped bool
}

// Start starts an MQTT broker that stops at the end of the test.
func Start(t testing.TB) *Broker {
	t.Helper()
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 24 * 60 * 60})
	require.NoError(t, server.AddHook(new(auth.AllowHook), nil))
	require.NoError(t, server.Serve())
	b := &Broker{server: server}
	t.Cleanup(b.Stop)
	return b
}

// Stop ends the broker and all its connections.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return
	}
	b.stopped = true
	for _, c := range b.conns {
		_ = c.Close()
	}
	_ = b.server.Close()
}

// Dial returns a new connection to the broker. It fails after Stop.
func (b *Broker) Dial(context.Context) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	b.conns = append(b.conns, server)
	go func() { _ = b.server.EstablishConnection("pipe", server) }()
	return client, nil
}

// Disconnect ends the connection of a client as a network failure does, and reports whether there was one.
func (b *Broker) Disconnect(clientID string) bool {
	c, ok := b.server.Clients.Get(clientID)
	if ok {
		_ = c.Net.Conn.Close()
	}
	return ok
}
