/** What the Data API answers while it has no database, as PostgREST does. */
export async function databaseIsAway(): Promise<Response> {
  return Response.json(
    { code: 'PGRST000', message: 'The database is away.', details: null, hint: null },
    { status: 503 },
  );
}
