// Command dropline-faults-soak sends orders through a Dropline whose servers keep dying. It exits with 1 when
// something was lost or doubled.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/faults/soak"
)

func main() {
	rig.Main()
	orders := flag.Int("orders", 2000, "how many orders")
	seed := flag.Uint64("seed", 1, "chooses when and for how long Postgres is away")
	within := flag.Duration("within", 30*time.Minute, "the longest that it may take")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *within)
	wrong, err := soak.Run(ctx, soak.Full(*orders, *seed))
	cancel()
	for _, violation := range wrong {
		fmt.Println(violation)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Printf("soak: %d orders, %d violations (seed %d)\n", *orders, len(wrong), *seed)
	if len(wrong) > 0 {
		os.Exit(1)
	}
}
