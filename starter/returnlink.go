package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/service"
)

func (p *program) returnLink() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "link ORDER", Short: "Print the link to an order's return page, for its customer",
		Long: `link prints the address of the page on which the customer of an order asks for returns and sees them. Give it to
nobody else: whoever has it may ask. It is good for 180 days; the messages to the customer hold one, too.`,
		Example: "  starter return link shop/1001",
		Args:    exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var shown struct {
				Links struct {
					ReturnPage string `json:"return_page"`
				} `json:"links"`
			}
			if err := a.get(c.Context(), orderPath(key), &shown); err != nil {
				return err
			}
			if shown.Links.ReturnPage == "" {
				return &service.Hinted{Err: errors.New("there are no return pages"), Todo: "Set DROPLINE_PUBLIC_URL and DROPLINE_RETURN_LINK_KEYS."}
			}
			if p.json {
				return p.writeJSON(map[string]string{"order": key.String(), "return_page": shown.Links.ReturnPage})
			}
			p.say("%s", plain(shown.Links.ReturnPage))
			return nil
		},
	}
	at.flags(c)
	return c
}
