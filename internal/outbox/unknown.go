package outbox

import (
	"context"
	"time"
)

// A message of a kind that this version does not know was written by a newer one beside it, whose courier will deliver
// it. These reasons tell it apart; the last two were written by versions that ended such a message at once.
const (
	unknownChannel  = "this version does not know the channel; a newer one delivers it"
	unknownKind     = "this version does not know such a notice; a newer one delivers it"
	endedForChannel = "no such channel"
	endedForKind    = "no notice is defined for this milestone"
)

// unknownWait is the least wait before a message of an unknown kind is looked at again.
const unknownWait = 5 * time.Minute

var (
	channels = []Channel{CustomerMail, Storefront, SupplierMail, CarrierMail}
	notices  = []string{KindFulfilled, KindCancelled, KindRefundMade, KindRefundCameBack}
)

// leave lets a message that this version does not know wait for one that does, and no longer than any other failure.
func leave(reason string, attempt int) verdict {
	return again(reason, max(unknownWait, usualWait(attempt)))
}

// usualWait is how long a message waits after an attempt, the first of which is 1.
func usualWait(attempt int) time.Duration {
	return min(firstWait<<min(attempt-1, 20), longestWait)
}

// reviveSQL makes messages due that a version ended because it did not know what this one knows.
const reviveSQL = `
	UPDATE outbox SET state = 'pending', attempts = 0, due_at = now()
	WHERE state = 'failed' AND last_error = ANY ($1) AND channel = ANY ($2)
		OR state IN ('skipped', 'failed') AND last_error = ANY ($3) AND channel = 'storefront' AND kind = ANY ($4)`

// revive gives a courier what older ones ended. Nothing indexes it: it reads the outbox once, when a courier starts.
func (c *Courier) revive(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		tag, err := c.Pool.Exec(ctx, reviveSQL, []string{unknownChannel, endedForChannel}, channels, []string{unknownKind, endedForKind}, notices)
		switch {
		case err == nil && tag.RowsAffected() > 0:
			c.Log.Info("Messages that an older version did not know are delivered", "messages", tag.RowsAffected())
			return
		case err == nil, ctx.Err() != nil:
			return
		}
		c.Log.Warn("Messages that an older version did not know could not be looked for; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
