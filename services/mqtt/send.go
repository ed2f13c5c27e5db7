package mqtt

import (
	"context"
	"time"
)

// publishTimeout limits the wait for the broker's acknowledgement of one message.
const publishTimeout = 10 * time.Second

// send publishes the queue until ctx ends, or until the client is closed and the queue is empty.
func (c *Client) send(ctx context.Context) {
	defer close(c.done)
	for {
		m, closed, ok := c.next()
		switch {
		case ok:
			c.deliver(ctx, m)
		case closed:
			return
		default:
			select {
			case <-c.filled:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (c *Client) next() (m Message, closed, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return m, c.closed, false
	}
	m = c.queue[0]
	c.queue = append(c.queue[:0], c.queue[1:]...)
	return m, c.closed, true
}

// deliver publishes m. A message whose connection is lost before the acknowledgement is published again, so that it can arrive
// twice, as QoS 1 allows.
func (c *Client) deliver(ctx context.Context, m Message) {
	t := c.transports[0]
	for t.await(ctx) == nil {
		limit, cancel := context.WithTimeout(ctx, publishTimeout)
		err := t.publish(limit, m)
		cancel()
		if err == nil {
			return
		}
		if !lost(err) {
			c.options.Log.Warn("publish MQTT message", "topic", m.Topic, "error", err)
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
