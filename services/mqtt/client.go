// Package mqtt connects the instrument's programs to an MQTT broker: one Client with several wills, ordered publishing that
// survives the loss of the connection, and answers to requests with a response topic. It speaks MQTT 5 and 3.1.1 and knows
// neither topics nor payloads of the instrument.
//
// Specifications: https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html and
// https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
)

// Message is an MQTT application message.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool

	// ResponseTopic and Correlation are the properties of a request in MQTT 5. MQTT 3.1.1 has neither.
	ResponseTopic string
	Correlation   []byte
}

// Version is a version of the MQTT protocol, as the number in CONNECT packets.
type Version byte

// Versions of the protocol. The zero Version means V5.
const (
	V311 Version = 4
	V5   Version = 5
)

// ParseVersion parses a version of the MQTT protocol: "5" or "3.1.1".
func ParseVersion(name string) (Version, error) {
	switch name {
	case "5":
		return V5, nil
	case "3.1.1":
		return V311, nil
	}
	return 0, fmt.Errorf("MQTT version is %q, want 5 or 3.1.1", name)
}

// Options are the address of the MQTT broker, subscriptions, last will and callbacks of a Client. The callbacks run in
// goroutines of the client and must not block for long.
type Options struct {
	Broker    string // host:port
	ClientID  string
	Version   Version
	Subscribe []string      // topic filters, with QoS 1
	Receive   func(Message) // is called for each message of the subscriptions, in order

	// Wills are published by the broker when the client is lost. As MQTT allows one will for a connection, each will after the
	// first opens a connection of its own.
	Wills []Message

	// Reconnected is called when the connection with a will was lost and made again. The broker may have published the will, so the
	// message that it replaced has to be published again. Connection 0 also has the subscriptions, and its loss may mean
	// that the broker was restarted and has lost its retained messages.
	Reconnected func(connection int)

	Log  *slog.Logger                                // nil: slog.Default()
	Dial func(ctx context.Context) (net.Conn, error) // nil: TCP to Broker

	up func() // is called when there is a connection with its subscriptions
}

// QueueLimit is the number of messages that a Client keeps for publishing. While there is no connection, the oldest messages are
// dropped beyond it.
const QueueLimit = 1024

// maxLevels is the number of slashes in a topic that mosquitto accepts.
const maxLevels = 199

// transport is a connection that reconnects by itself.
type transport interface {
	await(ctx context.Context) error // blocks until there is a connection
	publish(ctx context.Context, m Message) error
	close(ctx context.Context) error
}

// Client is a connection to an MQTT broker, which is restored whenever it is lost.
type Client struct {
	options    Options
	transports []transport // the first one publishes and subscribes, the others only hold wills
	stop       context.CancelFunc
	done       chan struct{} // closed when the publishing goroutine has ended

	mu     sync.Mutex
	queue  []Message
	closed bool
	filled chan struct{} // has a token when the queue may have changed
}

// Open returns a client that connects in the background, and again after each loss of the connection, until ctx ends.
// It returns an error if the options are unusable, not if the broker is unreachable.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Version == 0 {
		o.Version = V5
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", o.Broker)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	c := &Client{options: o, stop: stop, done: make(chan struct{}), filled: make(chan struct{}, 1)}
	for i := range max(1, len(o.Wills)) {
		t, err := c.connect(ctx, i)
		if err != nil {
			stop()
			return nil, fmt.Errorf("connect to MQTT broker %s: %w", o.Broker, err)
		}
		c.transports = append(c.transports, t)
	}
	go c.send(ctx)
	return c, nil
}

func (c *Client) connect(ctx context.Context, i int) (transport, error) {
	o := c.options
	first := true
	o.up = func() {
		if !first && o.Reconnected != nil {
			o.Reconnected(i)
		}
		first = false
	}
	if i < len(o.Wills) {
		o.Wills = o.Wills[i : i+1]
	}
	if i > 0 {
		o.ClientID = fmt.Sprintf("%s-will-%d", o.ClientID, i)
		o.Subscribe = nil
	}
	if o.Version == V311 {
		return connect311(ctx, o)
	}
	return connect5(ctx, o)
}

// Publish queues a message in memory and returns at once, connected or not. Messages are published in order. If
// QueueLimit messages are waiting, the oldest one is dropped with a warning; after Close the new one is dropped.
func (c *Client) Publish(m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if len(c.queue) == QueueLimit {
		c.options.Log.Warn("MQTT queue is full: dropped the oldest message", "topic", c.queue[0].Topic)
		c.queue = append(c.queue[:0], c.queue[1:]...)
	}
	c.queue = append(c.queue, m)
	c.wake()
}

// Respond queues a response to a request, as Publish does, on the request's response topic and with its correlation
// data. It does nothing if the request has no response topic, as with MQTT 3.1.1, or one to which nothing can be published:
// the broker would end the connection.
func (c *Client) Respond(request Message, payload []byte) {
	topic := request.ResponseTopic
	if topic == "" || strings.ContainsAny(topic, "+#\x00") || strings.Count(topic, "/") > maxLevels {
		return
	}
	c.Publish(Message{Topic: request.ResponseTopic, Payload: payload, QoS: 1, Correlation: request.Correlation})
}

// Await waits until the client is connected to the broker. It fails if ctx ends before.
func (c *Client) Await(ctx context.Context) error {
	for _, t := range c.transports {
		if err := t.await(ctx); err != nil {
			return fmt.Errorf("wait for MQTT broker %s: %w", c.options.Broker, err)
		}
	}
	return nil
}

// Close publishes the queued messages and disconnects without triggering the last will. If ctx ends before all messages
// are published, the rest is lost and Close returns an error.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.wake()
	c.mu.Unlock()

	var errs []error
	select {
	case <-c.done:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("publish the last messages to MQTT broker %s: %w", c.options.Broker, ctx.Err()))
	}
	for _, t := range c.transports {
		if err := t.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("disconnect from MQTT broker %s: %w", c.options.Broker, err))
		}
	}
	c.stop()
	<-c.done
	return errors.Join(errs...)
}

func (c *Client) wake() {
	select {
	case c.filled <- struct{}{}:
	default:
	}
}
