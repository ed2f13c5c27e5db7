package mqtt

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// keepAlive is the longest silence on a connection: the broker takes a client for lost after one and a half times of it.
const keepAlive = 20 * time.Second

// reconnectDelay returns the wait before a connection attempt. Attempts count from 0.
func reconnectDelay(attempt int) time.Duration {
	return min(time.Duration(attempt+1)*500*time.Millisecond, 10*time.Second)
}

type transport5 struct{ manager *autopaho.ConnectionManager }

func connect5(ctx context.Context, o Options) (transport, error) {
	var failing, again atomic.Bool
	config := autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{{Scheme: "mqtt", Host: o.Broker}},
		KeepAlive:                     uint16(keepAlive / time.Second),
		CleanStartOnInitialConnection: true,
		ReconnectBackoff: func(attempt int) time.Duration {
			if attempt == 0 && !again.Load() {
				return 0 // at the start
			}
			return reconnectDelay(attempt)
		},
		AttemptConnection: func(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
			conn, err := o.Dial(ctx)
			if err != nil {
				return nil, err
			}
			return packets.NewThreadSafeConn(conn), nil
		},
		OnConnectionUp: func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			failing.Store(false)
			again.Store(true)
			go subscribe5(ctx, m, o)
		},
		OnConnectError: func(err error) {
			if failing.CompareAndSwap(false, true) { // one line for each outage
				o.Log.Warn("connect to MQTT broker", "broker", o.Broker, "error", err)
			}
		},
		ClientConfig: paho.ClientConfig{
			ClientID:          o.ClientID,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){receive5(o)},
		},
	}
	if len(o.Wills) > 0 {
		w := o.Wills[0]
		config.WillMessage = &paho.WillMessage{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
	}
	manager, err := autopaho.NewConnection(ctx, config)
	if err != nil {
		return nil, err
	}
	return &transport5{manager}, nil
}

func subscribe5(ctx context.Context, m *autopaho.ConnectionManager, o Options) {
	if len(o.Subscribe) > 0 {
		var s paho.Subscribe
		for _, filter := range o.Subscribe {
			s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
		}
		if _, err := m.Subscribe(ctx, &s); err != nil {
			if ctx.Err() == nil {
				o.Log.Error("subscribe to MQTT topics", "topics", o.Subscribe, "error", err)
			}
			return
		}
	}
	o.up()
}

func receive5(o Options) func(paho.PublishReceived) (bool, error) {
	return func(r paho.PublishReceived) (bool, error) {
		m := Message{Topic: r.Packet.Topic, Payload: r.Packet.Payload, QoS: r.Packet.QoS, Retain: r.Packet.Retain}
		if p := r.Packet.Properties; p != nil {
			m.ResponseTopic, m.Correlation = p.ResponseTopic, p.CorrelationData
		}
		if o.Receive != nil {
			o.Receive(m)
		}
		return true, nil
	}
}

func (t *transport5) await(ctx context.Context) error { return t.manager.AwaitConnection(ctx) }

func (t *transport5) publish(ctx context.Context, m Message) error {
	p := &paho.Publish{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain}
	if m.ResponseTopic != "" || m.Correlation != nil {
		p.Properties = &paho.PublishProperties{ResponseTopic: m.ResponseTopic, CorrelationData: m.Correlation}
	}
	r, err := t.manager.Publish(ctx, p)
	if r != nil && r.ReasonCode != 0 {
		return refused(r.ReasonCode, err) // 16 means that nobody has subscribed
	}
	return err
}

func (t *transport5) close(ctx context.Context) error {
	err := t.manager.Disconnect(ctx)
	if errors.Is(err, autopaho.ConnectionDownError) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
