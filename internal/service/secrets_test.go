package service

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

func TestFirstWebhooksOfANewPartnerAllFindItsSecret(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	s := &webhookSecrets{pool: pool, log: quiet}
	require.Empty(t, s.Secrets("supplier", "late"), "nobody of that name, and the partners were just read")
	_, err := pool.Exec(t.Context(), `INSERT INTO suppliers (id, document)
		VALUES ('late', '{"contract": {"channel": {"webhook_secret_env": "SERVICE_TEST_SECRET"}}}')`)
	require.NoError(t, err)

	found := make([][]string, 30)
	var together sync.WaitGroup
	for i := range found {
		together.Go(func() { found[i] = s.Secrets("supplier", "late") })
	}
	together.Wait()
	for _, secrets := range found {
		require.Equal(t, []string{"shared"}, secrets)
	}
}

func TestNamesThatNobodyHasAreNotWaitedForWithoutBound(t *testing.T) {
	t.Parallel()
	s := &webhookSecrets{pool: postgrestest.Pool(t), log: quiet}
	for range secretsWaiting {
		require.NotNil(t, s.join())
	}
	require.Nil(t, s.join())
}

func TestPaymentProviderHasASecretOfItsOwn(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO storefronts (id, document) VALUES
		('shop', '{"webhook_secret_env": "SERVICE_TEST_OTHER", "payments": {"provider": "stripe", "webhook_secret_env": "SERVICE_TEST_SECRET"}}'),
		('plain', '{"webhook_secret_env": "SERVICE_TEST_SECRET"}')`)
	require.NoError(t, err)
	s := &webhookSecrets{pool: pool, log: quiet}
	require.Equal(t, []string{"shared"}, s.Secrets("payments", "shop"))
	require.Empty(t, s.Secrets("payments", "plain"), "a storefront's own secret proves no payment")
	require.Empty(t, s.Secrets("shopify", "shop"))
}
