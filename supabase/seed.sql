-- Local development alone: run after the migrations by `npm run dev` and `supabase start`, never by `supabase db push`.
-- Supapush needs no seed rows; yours go here.
select 1;
