package main

import (
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
)

func (p *program) keys() *cobra.Command {
	c := group("keys", "Create, list and revoke API keys",
		`A storefront key places and changes the orders of one storefront; a support key also reviews held orders;
an operator key may do everything. Only a hash of a key is stored.`,
		`  starter keys create --role storefront --storefront shop
  starter keys create --role support
  starter keys revoke abcdefghijklmnop`)
	c.AddCommand(p.keysCreate(), p.keysList(), p.keysRevoke())
	return c
}

// keyShown is a key without its secret.
type keyShown struct {
	ID         string    `json:"id"`
	Role       string    `json:"role"`
	Storefront string    `json:"storefront,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	Token      string    `json:"token,omitempty"`
}

func shownKey(k apikey.Key, token string) keyShown {
	return keyShown{k.ID, string(k.Role), k.Storefront, k.CreatedAt.UTC(), k.RevokedAt, token}
}

func (p *program) keysCreate() *cobra.Command {
	var role, storefront string
	c := &cobra.Command{
		Use: "create", Short: "Create an API key and show it, this once",
		Example: `  starter keys create --role storefront --storefront shop > shop.key`,
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				token, key, err := apikey.New(pool).Create(c.Context(), apikey.Role(role), storefront)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(shownKey(key, token))
				}
				// The token alone goes to the output, so that it can be written to a file.
				p.say("%s", token)
				return nil
			})
		},
	}
	c.Flags().StringVar(&role, "role", "", "storefront, support or operator")
	c.Flags().StringVar(&storefront, "storefront", "", "the only storefront whose orders the key opens")
	_ = c.MarkFlagRequired("role") // it exists
	return c
}

func (p *program) keysList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List API keys, revoked ones too", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				keys, err := apikey.New(pool).List(c.Context())
				if err != nil {
					return err
				}
				list := []keyShown{}
				var rows [][]string
				for _, k := range keys {
					list = append(list, shownKey(k, ""))
					rows = append(rows, []string{k.ID, string(k.Role), k.Storefront, moment(k.CreatedAt), moment(k.RevokedAt)})
				}
				if p.json {
					return p.writeJSON(list)
				}
				p.table([]string{"ID", "ROLE", "STOREFRONT", "CREATED (UTC)", "REVOKED (UTC)"}, rows)
				return nil
			})
		},
	}
}

func (p *program) keysRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End an API key; every process refuses it within half a minute", Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				id, _, _ := strings.Cut(strings.TrimPrefix(args[0], "dl_"), "_")
				if err := apikey.New(pool).Revoke(c.Context(), id); err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(map[string]string{"revoked": id})
				}
				p.say("Key %s is revoked; every process refuses it within half a minute.", id)
				return nil
			})
		},
	}
}

func (p *program) config() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Show every setting, its value and what it means",
		Long: `config shows the environment variables that worker and starter read. Secrets are not shown. How to reach
Temporal is set as for the Temporal CLI: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the other TEMPORAL_*
variables, or a profile in temporal.toml. Exits 1 when the settings cannot be used.`,
		Args: exactly(),
		RunE: func(_ *cobra.Command, _ []string) error {
			shown := []settingShown{}
			var rows [][]string
			for _, v := range config.Variables() {
				s := shownSetting(v)
				shown = append(shown, s)
				rows = append(rows, []string{s.Name, s.Value, s.Meaning})
			}
			if p.json {
				if err := p.writeJSON(shown); err != nil {
					return err
				}
			} else {
				p.table([]string{"VARIABLE", "VALUE", "MEANING"}, rows)
			}
			if _, err := p.settings(); err != nil {
				return badSettings(err)
			}
			return nil
		},
	}
}

// settingShown is a setting as it is in force.
type settingShown struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default bool   `json:"default"`
	Meaning string `json:"meaning"`
}

func shownSetting(v config.Variable) settingShown {
	value := os.Getenv(v.Name)
	s := settingShown{v.Name, value, value == "", v.Meaning}
	switch {
	case v.Secret && value != "":
		s.Value = "(set)"
	case v.Secret && v.Default != "":
		s.Value = "(default)"
	case value == "":
		s.Value = v.Default
	}
	return s
}
