package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/mqtt/mqtttest"
)

// open returns a client of the broker with what it receives on filters.
func open(t *testing.T, b *mqtttest.Broker, o mqtt.Options) (*mqtt.Client, chan mqtt.Message) {
	t.Helper()
	got := make(chan mqtt.Message, 2*mqtt.QueueLimit)
	o.Broker, o.Receive = "test:1883", func(m mqtt.Message) { got <- m }
	o.Log = slog.New(slog.DiscardHandler)
	if o.Dial == nil {
		o.Dial = b.Dial
	}
	c, err := mqtt.Open(t.Context(), o)
	require.NoError(t, err)
	return c, got
}

func closeClient(t *testing.T, c *mqtt.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, c.Close(ctx))
}

func eachVersion(t *testing.T, test func(*testing.T, mqtt.Version)) {
	for _, v := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, v) })
		})
	}
}

func TestMessagesArriveInOrder(t *testing.T) {
	eachVersion(t, func(t *testing.T, v mqtt.Version) {
		b := mqtttest.Start(t)
		receiver, got := open(t, b, mqtt.Options{ClientID: "receiver", Version: v, Subscribe: []string{"a/#"}})
		synctest.Wait()
		sender, _ := open(t, b, mqtt.Options{ClientID: "sender", Version: v})
		for i := range 500 {
			sender.Publish(mqtt.Message{Topic: "a/b", Payload: fmt.Append(nil, i), QoS: byte(i % 2)})
		}
		closeClient(t, sender)
		for i := range 500 {
			require.Equal(t, fmt.Sprint(i), string((<-got).Payload))
		}
		closeClient(t, receiver)
		b.Stop()
	})
}

func TestRequestsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.Start(t)
		server, requests := open(t, b, mqtt.Options{ClientID: "server", Subscribe: []string{"do"}})
		client, answers := open(t, b, mqtt.Options{ClientID: "client", Subscribe: []string{"answers"}})
		synctest.Wait()
		client.Publish(mqtt.Message{Topic: "do", Payload: []byte("no request")})
		client.Publish(mqtt.Message{Topic: "do", ResponseTopic: "answers", Correlation: []byte{1, 2}})
		server.Respond(<-requests, []byte("nobody reads this"))
		server.Respond(mqtt.Message{ResponseTopic: "answers/#"}, []byte("would end the connection"))
		server.Respond(<-requests, []byte("done"))
		answer := <-answers
		require.Equal(t, "done", string(answer.Payload))
		require.Equal(t, []byte{1, 2}, answer.Correlation)
		require.Empty(t, answers)
		closeClient(t, client)
		closeClient(t, server)
		b.Stop()
	})
}

func TestEveryWillIsPublished(t *testing.T) {
	eachVersion(t, func(t *testing.T, v mqtt.Version) {
		b := mqtttest.Start(t)
		wills := []mqtt.Message{
			{Topic: "status/a", Payload: []byte("Dead"), QoS: 1, Retain: true},
			{Topic: "status/b", Payload: []byte("Dead"), QoS: 1, Retain: true},
		}
		connected := make(chan int, 10)
		c, _ := open(t, b, mqtt.Options{ClientID: "c", Version: v, Wills: wills, Reconnected: func(i int) { connected <- i }})
		reader, got := open(t, b, mqtt.Options{ClientID: "reader", Version: v, Subscribe: []string{"status/#"}})
		require.NoError(t, c.Await(t.Context()))
		synctest.Wait()
		for i, id := range []string{"c", "c-will-1"} {
			require.True(t, b.Disconnect(id))
			require.Equal(t, wills[i].Topic, (<-got).Topic)
			require.Equal(t, i, <-connected)
		}
		synctest.Wait()
		closeClient(t, c)
		synctest.Wait()
		require.Empty(t, got, "a client that is closed leaves no will")
		closeClient(t, reader)
		b.Stop()
	})
}

func TestQueueSurvivesAnUnreachableBroker(t *testing.T) {
	eachVersion(t, func(t *testing.T, v mqtt.Version) {
		b := mqtttest.Start(t)
		reachable := time.Now().Add(time.Hour)
		sender, _ := open(t, b, mqtt.Options{ClientID: "sender", Version: v, Dial: func(ctx context.Context) (net.Conn, error) {
			if time.Now().Before(reachable) {
				return nil, fmt.Errorf("connection refused")
			}
			return b.Dial(ctx)
		}})
		receiver, got := open(t, b, mqtt.Options{ClientID: "receiver", Version: v, Subscribe: []string{"a"}})
		synctest.Wait()
		for i := range mqtt.QueueLimit + 10 {
			sender.Publish(mqtt.Message{Topic: "a", Payload: fmt.Append(nil, i), QoS: 1})
		}
		require.NoError(t, sender.Await(t.Context()))
		require.Less(t, time.Since(reachable), 30*time.Second)
		n := 1
		for last := fmt.Sprint(mqtt.QueueLimit + 9); string((<-got).Payload) != last; n++ {
		}
		require.InDelta(t, mqtt.QueueLimit, n, 1, "the oldest messages are dropped; one may be on its way")
		synctest.Wait()
		require.Empty(t, got)
		closeClient(t, sender)
		closeClient(t, receiver)
		b.Stop()
	})
}

// TestLossWhilePublishing: a message that was on its way when the connection was lost is published again.
func TestLossWhilePublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.Start(t)
		receiver, got := open(t, b, mqtt.Options{ClientID: "receiver", Subscribe: []string{"a"}})
		synctest.Wait()
		// Each second connection of the sender loses what it sends after its first 100 bytes.
		connections := 0
		sender, _ := open(t, b, mqtt.Options{ClientID: "sender", Dial: func(ctx context.Context) (net.Conn, error) {
			connections++
			conn, err := b.Dial(ctx)
			if err == nil && connections < 4 {
				conn = &failing{Conn: conn, left: 100}
			}
			return conn, err
		}})
		for i := range 50 {
			sender.Publish(mqtt.Message{Topic: "a", Payload: fmt.Append(nil, i), QoS: 1})
		}
		require.NoError(t, sender.Await(t.Context()))
		closeClient(t, sender)
		synctest.Wait()
		require.Equal(t, 4, connections)
		next := 0
		for len(got) > 0 {
			m := string((<-got).Payload)
			if m == fmt.Sprint(next) {
				next++
			} else {
				require.Equal(t, fmt.Sprint(next-1), m, "only the last one may come twice")
			}
		}
		require.Equal(t, 50, next)
		closeClient(t, receiver)
		b.Stop()
	})
}

// failing is a connection that breaks after some bytes.
type failing struct {
	net.Conn
	left int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		_ = f.Conn.Close()
		return 0, net.ErrClosed
	}
	return f.Conn.Write(p)
}

func TestParseVersion(t *testing.T) {
	v, err := mqtt.ParseVersion("3.1.1")
	require.NoError(t, err)
	require.Equal(t, mqtt.V311, v)
	_, err = mqtt.ParseVersion("4")
	require.EqualError(t, err, `MQTT version is "4", want 5 or 3.1.1`)
}
