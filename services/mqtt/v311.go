package mqtt

import (
	"context"
	"net"
	"net/url"
	"time"

	paho3 "github.com/eclipse/paho.mqtt.golang"
)

type transport311 struct{ client paho3.Client }

func connect311(ctx context.Context, o Options) (transport, error) {
	p := paho3.NewClientOptions().
		AddBroker("tcp://" + o.Broker).
		SetClientID(o.ClientID).
		SetProtocolVersion(uint(V311)).
		SetCleanSession(true).
		SetKeepAlive(keepAlive).
		SetConnectRetry(true).
		SetConnectRetryInterval(time.Second).
		SetMaxReconnectInterval(10 * time.Second).
		SetOrderMatters(true).
		SetCustomOpenConnectionFn(func(*url.URL, paho3.ClientOptions) (net.Conn, error) { return o.Dial(ctx) }).
		SetConnectionLostHandler(func(_ paho3.Client, err error) {
			o.Log.Info("MQTT connection lost", "broker", o.Broker, "error", err)
		}).
		SetOnConnectHandler(func(c paho3.Client) { subscribe311(c, o) })
	if len(o.Wills) > 0 {
		w := o.Wills[0]
		p.SetBinaryWill(w.Topic, w.Payload, w.QoS, w.Retain)
	}
	client := paho3.NewClient(p)
	client.Connect()
	context.AfterFunc(ctx, func() { client.Disconnect(0) })
	return &transport311{client}, nil
}

func subscribe311(c paho3.Client, o Options) {
	filters := make(map[string]byte, len(o.Subscribe))
	for _, filter := range o.Subscribe {
		filters[filter] = 1
	}
	if len(filters) > 0 {
		token := c.SubscribeMultiple(filters, func(_ paho3.Client, m paho3.Message) {
			if o.Receive != nil {
				o.Receive(Message{Topic: m.Topic(), Payload: m.Payload(), QoS: m.Qos(), Retain: m.Retained()})
			}
		})
		if !token.WaitTimeout(publishTimeout) || token.Error() != nil {
			o.Log.Error("subscribe to MQTT topics", "topics", o.Subscribe, "error", token.Error())
			return
		}
	}
	o.up()
}

func (t *transport311) await(ctx context.Context) error {
	for !t.client.IsConnectionOpen() {
		select {
		case <-time.After(100 * time.Millisecond): // the library has no event that several can wait for
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (t *transport311) publish(ctx context.Context, m Message) error {
	token := t.client.Publish(m.Topic, m.QoS, m.Retain, m.Payload)
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *transport311) close(context.Context) error {
	t.client.Disconnect(250) // milliseconds
	return nil
}
