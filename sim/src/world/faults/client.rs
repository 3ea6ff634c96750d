//! Faults of clients and their connections.

use crate::plan::{ClientFault, Speaks};
use crate::world::World;
use crate::world::queue::Pending;
use crate::world::{CLIENT_DELAY_US, RECONNECT_US};

impl World {
    pub(super) fn on_client_fault(&mut self, fault: &ClientFault) {
        match fault {
            ClientFault::Move(client, node) => self.move_client(*client, *node),
            ClientFault::FailOver(nodes, node) => {
                for client in self.at_home(nodes) {
                    self.move_client(client, *node);
                }
            }
            ClientFault::ReconnectStorm(node) => {
                for client in self.at_home(&[*node]) {
                    self.move_client(client, *node);
                }
            }
            ClientFault::HalfOpen(client, node) => self.vanish(*client, *node),
            ClientFault::Deaf(client) => self.deafen(*client),
            ClientFault::Flood(client, lines) => self.flood(*client, *lines),
        }
    }

    fn at_home(&self, nodes: &[usize]) -> Vec<usize> {
        (0..self.clients.len()).filter(|client| nodes.contains(&self.clients[*client].home)).collect()
    }

    /// The connection breaks, its old node learns of it, and the client connects to another.
    fn move_client(&mut self, client: usize, node: usize) {
        let (home, number) = (self.clients[client].home, self.clients[client].connection);
        if number != 0 {
            self.clients[client].left.insert(number);
            self.close(home, number);
        }
        self.clients[client].node = node;
    }

    /// The client is gone from its connection, of which its node sees nothing but silence; it connects elsewhere.
    fn vanish(&mut self, client: usize, node: usize) {
        self.clients[client].node = node;
        let number = self.clients[client].connection;
        if number == 0 {
            return;
        }
        *self.happened.entry("ghost").or_default() += 1;
        self.clients[client].left.insert(number);
        self.clients[client].disconnected(self.now_us);
        self.queue.push(self.now_us + RECONNECT_US, Pending::Connect(client));
    }

    fn deafen(&mut self, client: usize) {
        let (home, number) = (self.clients[client].home, self.clients[client].connection);
        if let Some(link) = self.nodes[home].links.get_mut(&number) {
            link.unread.get_or_insert_default();
            self.clients[client].give_up(self.now_us);
        }
    }

    /// Whoever did not read reads again.
    pub(super) fn hear_again(&mut self) {
        for node in 0..self.nodes.len() {
            for (number, link) in &mut self.nodes[node].links {
                for bytes in link.unread.take().into_iter().flatten() {
                    self.queue.push(self.now_us + CLIENT_DELAY_US, Pending::ToClient(link.client, *number, bytes));
                }
                link.arrives_us = link.arrives_us.max(self.now_us + CLIENT_DELAY_US);
            }
        }
    }

    /// Lines that ask for nothing but an answer, at once.
    fn flood(&mut self, client: usize, lines: usize) {
        if !self.clients[client].ready {
            return;
        }
        self.clients[client].flooded = true;
        self.clients[client].give_up(self.now_us);
        let line = match self.clients[client].plan.speaks {
            Speaks::Irc => "PING :flood\r\n",
            Speaks::Xmpp => "<iq type='get' id='flood'><ping xmlns='urn:xmpp:ping'/></iq>",
        };
        self.send_to_node(client, line.repeat(lines).into_bytes());
    }
}
