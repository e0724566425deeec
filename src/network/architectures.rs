//! From the declaration of an architecture to the graph.

use super::builder::{Builder, same};
use super::layers::stack;
use super::{Input, Mode, Network};
use crate::Result;
use crate::graph::{Activation, Graph, Op, TensorId, WeightLayout, Window};

impl Network {
    /// Appends the network to a graph; `x` is `[rows, features]` or `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// When the input does not fit, naming the layer.
    pub fn build(&self, graph: &mut Graph, x: TensorId, mode: Mode) -> Result<TensorId> {
        self.check()?;
        // A part of a batch drops other values than the parts before it.
        let dropouts = graph.nodes.iter().filter(|node| matches!(node.op, Op::Dropout { .. })).count() as u32;
        let mut b = Builder { graph, mode, dropouts };
        match self {
            Network::Mlp { sizes, activation, dropout } => {
                let mut h = x;
                for (i, &width) in sizes[1..].iter().enumerate() {
                    h = b.linear(h, width, &(2 * i).to_string(), WeightLayout::Linear)?;
                    if i + 2 < sizes.len() {
                        h = b.graph.activate(h, *activation)?;
                        h = b.dropout(h, *dropout)?;
                    }
                }
                Ok(h)
            }
            Network::Srcnn { channels, features, .. } => {
                let h = b.conv(x, features[0], same(9), "conv1", 1.0)?;
                let h = b.graph.activate(h, Activation::Relu)?;
                let h = b.conv(h, features[1], same(1), "conv2", 1.0)?;
                let h = b.graph.activate(h, Activation::Relu)?;
                b.conv(h, *channels, same(5), "conv3", 0.1)
            }
            Network::Espcn { scale, channels, features } => {
                let h = b.conv(x, features[0], same(5), "first_part.0", 0.5)?;
                let h = b.graph.activate(h, Activation::Tanh)?;
                let h = b.conv(h, features[1], same(3), "first_part.2", 0.5)?;
                let h = b.graph.activate(h, Activation::Tanh)?;
                let h = b.conv(h, channels * scale * scale, same(3), "last_part.0", 0.5)?;
                b.graph.push(Op::DepthToSpace(*scale), &[h])
            }
            Network::Fsrcnn { scale, channels, features, shrink, maps } => {
                let mut h = b.conv_prelu(x, *features, 5, "first_part", 0)?;
                h = b.conv_prelu(h, *shrink, 1, "mid_part", 0)?;
                for i in 0..*maps {
                    h = b.conv_prelu(h, *shrink, 3, "mid_part", 2 + 2 * i)?;
                }
                h = b.conv_prelu(h, *features, 1, "mid_part", 2 + 2 * maps)?;
                let window = Window { kernel: 9, stride: *scale, padding: 4 };
                b.conv_transpose(h, *channels, window, scale - 1, "last_part")
            }
            Network::Compact { scale, channels, features, convolutions, expand, skip } => {
                let mut h = x;
                for i in 0..convolutions - 1 {
                    h = b.collapsible(h, *features, *expand, &format!("body.{}", 2 * i), 1.0)?;
                    h = b.prelu(h, &format!("body.{}", 2 * i + 1))?;
                }
                let tail = format!("body.{}", 2 * (convolutions - 1));
                h = b.collapsible(h, channels * scale * scale, *expand, &tail, 0.1)?;
                h = b.graph.push(Op::DepthToSpace(*scale), &[h])?;
                b.add_enlarged(h, x, *skip, *scale)
            }
            Network::Residual { scale, channels, features, blocks, activation, skip } => {
                let head = b.conv(x, *features, same(3), "conv_first", 1.0)?;
                let mut h = head;
                for i in 0..*blocks {
                    let y = b.conv(h, *features, same(3), &format!("body.{i}.conv1"), 1.0)?;
                    let y = b.graph.activate(y, *activation)?;
                    let y = b.conv(y, *features, same(3), &format!("body.{i}.conv2"), 0.1)?;
                    h = b.graph.push(Op::Add, &[y, h])?;
                }
                h = b.conv(h, *features, same(3), "conv_after_body", 0.1)?;
                h = b.graph.push(Op::Add, &[h, head])?;
                h = b.conv(h, channels * scale * scale, same(3), "upsample.0", 0.1)?;
                h = b.graph.push(Op::DepthToSpace(*scale), &[h])?;
                b.add_enlarged(h, x, *skip, *scale)
            }
            Network::Sequential { layers, .. } => stack(layers, &mut b, x, ""),
        }
    }

    /// A graph with the input and the network: `(graph, input, output)`. `size` is the height and width of pictures for
    /// networks that take any; it is ignored by others.
    ///
    /// # Errors
    /// When the declaration does not fit together, naming the layer.
    pub fn graph(&self, batch: usize, size: [usize; 2], mode: Mode) -> Result<(Graph, TensorId, TensorId)> {
        self.check()?;
        let mut graph = Graph::new();
        let x = match self.input() {
            Input::Rows(width) => graph.input("x", &[batch, width])?,
            Input::Image([h, w, c]) => graph.input("x", &[batch, h, w, c])?,
            Input::Picture { channels, .. } => graph.input("x", &[batch, size[0], size[1], channels])?,
        };
        let y = self.build(&mut graph, x, mode)?;
        graph.output(y);
        Ok((graph, x, y))
    }
}
