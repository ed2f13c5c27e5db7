package scenario

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// port checks a TCP port. An emulator accepts connections for a guest that does not listen, so that only an answer, or a
// connection that stays open, proves a server.
func (c *checker) port(number string, want *Port) {
	n, _ := strconv.Atoi(number)
	ctx, cancel := context.WithTimeout(c.ctx, dialLimit)
	defer cancel()
	var err error
	switch {
	case want.Get != "":
		err = c.get(ctx, n, want)
	case want.Answer.Regexp != nil:
		err = c.answer(ctx, n, want)
	default:
		err = c.open(ctx, n)
	}
	switch {
	case c.ctx.Err() != nil:
		c.err = context.Cause(c.ctx)
	case want.State == "closed" && err == nil:
		c.fail(want, "port %s is open, want closed", number)
	case want.State != "closed" && err != nil:
		c.fail(want, "port %s: %v", number, err)
	}
}

// open returns nil if a connection stays open: the guest needs a moment to refuse one.
func (c *checker) open(ctx context.Context, n int) error {
	conn, err := c.machine.Dial(ctx, n)
	if err != nil {
		return err
	}
	defer conn.Close()
	closed := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		closed <- err
	}()
	for deadline := c.machine.Elapsed() + openTime; c.machine.Elapsed() < deadline; {
		select {
		case err := <-closed:
			if err != nil {
				err = fmt.Errorf("guest closed the connection: %w", err)
			}
			return err
		default:
			if c.err = c.machine.Sleep(ctx, openTime/20); c.err != nil {
				return c.err
			}
		}
	}
	return nil
}

func (c *checker) answer(ctx context.Context, n int, want *Port) error {
	conn, err := c.machine.Dial(ctx, n)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(dialLimit)); err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1<<12)).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("port sent no line: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); !want.Answer.matches(line) {
		return fmt.Errorf("port answers with %q, want a match of %q", line, want.Answer)
	}
	return nil
}

func (c *checker) get(ctx context.Context, n int, want *Port) error {
	client := http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.machine.Dial(ctx, n) },
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://localhost:%d%s", n, want.Get), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	status := want.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", want.Get, err)
	case response.StatusCode != status:
		return fmt.Errorf("GET %s: status is %d, want %d", want.Get, response.StatusCode, status)
	case want.Body != nil && !want.Body.matches(string(body)):
		return fmt.Errorf("GET %s: body has no match of %q: %s", want.Get, want.Body, tail(string(body)))
	}
	return nil
}
